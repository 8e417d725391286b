"""Shared storage from the command line, and processes that are killed while they use it."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag.cli.frame import run

RAG = [sys.executable, "-c", "from rag.cli import main; main()"]
QUIET = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__URLS": '["http://127.0.0.1:9"]'}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


Rag = Callable[..., Done]


@pytest.fixture
def rag(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rag:
    """Runs a command on a data directory of this name."""
    (tmp_path / "docs").mkdir()
    for name in "abc":
        (tmp_path / "docs" / f"{name}.md").write_text(f"Text of {name}.\n")
    monkeypatch.chdir(tmp_path)
    for name, value in {**QUIET, "RAG_STORAGE__URL": f"file://{tmp_path}/place"}.items():
        monkeypatch.setenv(name, value)

    def command(data_dir: str, *arguments: str, **environment: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as changed:
            for name, value in environment.items():
                changed.setenv(name, value)
            status = run([*arguments, "--data-dir", data_dir])
        return Done(status, *capsys.readouterr())

    return command


def in_json(done: Done) -> Any:
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_an_ingest_goes_on_from_what_others_pushed_and_pushes(rag: Rag, tmp_path: Path) -> None:
    assert in_json(rag("one", "ingest", "docs", "--json"))["embedded"] == 3
    second = in_json(rag("two", "ingest", "docs", "--json"))  # another machine with the same folder
    assert (second["unchanged"], second["embedded"], second["generation"]) == (3, 0, 1)
    (tmp_path / "docs" / "a.md").write_text("Another text of a.\n")
    assert in_json(rag("two", "ingest", "docs", "--json"))["generation"] == 2
    (pulled,) = in_json(rag("one", "collections", "pull", "--json"))["collections"]
    assert {name: pulled[name] for name in ("name", "outcome", "generation", "error")} == {
        "name": "default",
        "outcome": "pulled",
        "generation": 2,
        "error": None,
    }
    assert "default" in rag("one", "collections", "push", "default").out
    assert rag("one", "collections", "pull", "nope").err.startswith("error: There is no collection 'nope', neither")
    in_json(rag("one", "collections", "delete", "default", "--yes", "--json"))
    assert "deleted" in rag("two", "collections", "pull").out
    assert in_json(rag("two", "collections", "list", "--json")) == {"collections": []}


def test_what_is_wrong_with_the_storage_is_told_in_one_line(rag: Rag, tmp_path: Path) -> None:
    (tmp_path / "place").write_text("a file, and no folder")
    done = rag("one", "ingest", "docs", "--json", "--progress", "off")
    assert (done.status, json.loads(done.out)["new"]) == (1, 3)
    assert [line.partition(".")[0] for line in done.err.splitlines()][-1] == "error: ingested here, and not pushed"
    done = rag("one", "collections", "push", RAG_STORAGE__URL="s3://key:secret@bucket/x")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "carries credentials" in done.err
    assert "secret" not in done.err
    assert "Set storage.url" in rag("one", "collections", "pull", RAG_STORAGE__URL="").err


def test_processes_that_are_killed_while_they_push_and_pull_lose_nothing(rag: Rag, tmp_path: Path) -> None:
    in_json(rag("one", "ingest", "docs", "--json", RAG_STORAGE__PUSH="false"))
    chance = random.Random(7)
    place = tmp_path / "place"
    seen = {"push": place / "data", "pull": tmp_path / "two" / "collections"}
    for way, data_dir in (("push", "one"), ("push", "one"), ("pull", "two"), ("pull", "two")):
        command = [*RAG, "collections", way, "--data-dir", data_dir]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not seen[way].exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.wait()
        if way == "push" and (place / "releases").exists():
            break
    in_json(rag("one", "collections", "push", "--json"))
    in_json(rag("two", "collections", "pull", "--json"))
    assert in_json(rag("two", "collections", "verify", "--json"))["collections"][0]["problems"] == []
    shown = [in_json(rag(each, "collections", "show", "default", "--json")) for each in ("one", "two")]
    assert shown[0] == shown[1]
