"""`rag ingest` as it is run: watching, progress, kept rules, disks that are full or cannot be written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rag.store import Store

RAG = [sys.executable, "-c", "from rag.cli import main; main()"]
QUIET = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__URLS": '["http://127.0.0.1:9"]'}
PATIENCE_S = 60.0


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nText of a.\n")
    (folder / "b.txt").write_text("Text of b.\n")
    return folder


Rag = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def rag(tmp_path: Path) -> Rag:
    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*RAG, *arguments],
            cwd=tmp_path,
            env={**os.environ, **QUIET, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


def in_json(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def test_rules_are_said_once_and_kept_until_others_are_said(rag: Rag, docs: Path) -> None:
    first = in_json(rag("ingest", "docs", "--include", "*.md", "--chunk-tokens", "100", "--json"))
    assert (first["new"], [each["reason"] for each in first["skipped"]]) == (1, ["not included"])
    assert in_json(rag("ingest", "docs", "--json"))["unchanged"] == 1
    shown = in_json(rag("collections", "show", "default", "--json"))
    assert shown["rules"] == {"include": ["*.md"], "chunk_tokens": 100}
    assert "include: *.md (kept; `rag ingest --include` changes it)" in rag("collections", "show", "default").stdout
    planned = in_json(rag("ingest", "docs", "--include", "", "--dry-run", "--json"))
    assert (planned["new"], planned["unchanged"]) == (1, 1)
    assert in_json(rag("collections", "show", "default", "--json"))["rules"] == shown["rules"]
    other = in_json(rag("ingest", "docs", "--include", "", "--exclude", "b*", "--chunk-tokens", "0", "--json"))
    assert (other["changed"], other["embedded"]) == (1, 0)  # cut anew, into the same chunk
    assert in_json(rag("collections", "show", "default", "--json"))["rules"] == {"exclude": ["b*"]}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--include", "broken\\"), "cannot be understood: Invalid git pattern"),
        (("--chunk-tokens", "3"), "less than 16"),
        (("--watch", "--dry-run"), "exclude each other"),
    ],
)
def test_wrong_options_end_with_one_line(rag: Rag, docs: Path, options: tuple[str, ...], why: str) -> None:
    done = rag("ingest", "docs", *options)
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_progress_can_be_read_by_programs(rag: Rag, docs: Path) -> None:
    done = rag("ingest", "docs", "--progress", "json", "--json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["stage"] for line in lines} == {"compare", "ingest"}
    last = lines[-1]
    assert (last["stage"], last["done"], last["total"], last["left_s"]) == ("ingest", 2, 2, 0.0)
    assert last["per_s"] > 0
    assert rag("ingest", "docs", "--progress", "off").stderr == ""


def test_verify_backup_and_restore_from_the_command_line(rag: Rag, docs: Path, tmp_path: Path) -> None:
    rag("ingest", "docs")
    assert "default" in rag("collections", "backup", "default", "default.tar").stdout
    done = rag("collections", "backup", "default", "default.tar", "--json")
    assert (done.returncode, in_json_error(done)) == (2, "config_error")
    assert in_json(rag("collections", "backup", "default", "default.tar", "--force", "--json"))["generation"] == 1
    restored = in_json(rag("collections", "restore", "default.tar", "--as", "copy", "--json"))
    assert (restored["name"], restored["documents"]) == ("copy", 2)
    verified = in_json(rag("collections", "verify", "--json"))
    assert {each["name"]: each["problems"] for each in verified["collections"]} == {"copy": [], "default": []}
    (file,) = (tmp_path / "data" / "collections" / restored["id"]).glob("generations/1/catalog.db")
    file.unlink()
    done = rag("collections", "verify", "copy")
    assert done.returncode == 1
    assert f"{file.relative_to(tmp_path)}: The file is missing. Restore a backup" in done.stdout


def in_json_error(done: "subprocess.CompletedProcess[str]") -> str:
    return str(json.loads(done.stdout)["error"]["code"])


@contextmanager
def watching(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*RAG, "ingest", "docs", "--watch", *options],
        cwd=folder,
        env={**os.environ, **QUIET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def next_run(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return json.loads(line)


def test_watching_takes_in_what_changes_and_survives_what_goes_wrong(docs: Path, tmp_path: Path) -> None:
    with watching(tmp_path, "--json") as process:
        assert next_run(process)["new"] == 2
        (docs / "c.md").write_text("# C\n\nText of c.\n")
        assert next_run(process)["new"] == 1
        (docs / "bad.pdf").write_bytes(b"%PDF-1.4")
        assert [each["path"] for each in next_run(process)["failed"]] == ["bad.pdf"]
        docs.rename(tmp_path / "away")
        assert next_run(process)["error"]["code"] == "config_error"
        (tmp_path / "away/bad.pdf").unlink()
        (tmp_path / "away/a.md").write_text("# A\n\nOther text.\n")
        (tmp_path / "away").rename(docs)
        back = next_run(process)
        assert (back["changed"], back["unchanged"], back["failed"]) == (1, 2, [])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (0, "")
        assert err.splitlines()[-1] == "stopped watching"
        assert "Traceback" not in err


def test_watching_a_path_that_is_not_there_ends_at_once(rag: Rag, tmp_path: Path) -> None:
    done = rag("ingest", "nowhere", "--watch")
    assert done.returncode == 2
    assert "'nowhere' cannot be ingested" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("this user may not mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_on_one_line_and_the_next_run_goes_on(rag: Rag, docs: Path, small_disk: Path) -> None:
    data = ("--data-dir", str(small_disk / "data"), "--progress", "off")
    rag("ingest", "docs", *data)
    words = " ".join(f"word{number}" for number in range(40_000))
    for number in range(3):
        (docs / f"large{number}.txt").write_text(f"{number} {words}")
    full = rag("ingest", "docs", *data)
    assert full.returncode == 1
    assert len(full.stderr.splitlines()) == 1
    assert "Free disk space" in full.stderr
    store = Store(small_disk / "data")
    with store.pin("default") as generation:
        assert sorted(listed.path for listed in generation.files().values()) == ["a.md", "b.txt"]
    store.close()
    assert rag("collections", "verify", *data[:2]).returncode == 0
    assert rag("collections", "backup", "default", str(small_disk / "x.tar"), *data[:2]).returncode == 0
    for number in (1, 2):
        (docs / f"large{number}.txt").unlink()
    (docs / "large0.txt").write_text(words[:100_000])
    (small_disk / "x.tar").unlink()
    assert rag("ingest", "docs", *data).returncode == 0
    assert rag("collections", "verify", *data[:2]).returncode == 0


def test_a_disk_that_cannot_be_written_is_read_and_told_on_one_line(rag: Rag, docs: Path, small_disk: Path) -> None:
    data = ("--data-dir", str(small_disk / "data"), "--progress", "off")
    rag("ingest", "docs", *data)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert in_json(rag("ingest", "docs", "--dry-run", "--json", *data))["unchanged"] == 2
    assert rag("collections", "verify", *data[:2]).returncode == 0
    (docs / "c.md").write_text("# C\n")
    done = rag("ingest", "docs", *data)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Read-only file system" in done.stderr


def test_a_second_ingest_ends_at_once_and_says_why(docs: Path, tmp_path: Path, rag: Rag) -> None:
    from rag.types import EmbeddingInfo

    rag("ingest", "docs")
    store = Store(tmp_path / "data")
    with store.draft("default", EmbeddingInfo(model="fake", dimensions=64, dtype="float32")):
        began = time.monotonic()
        done = rag("ingest", "docs", "--progress", "off")
        assert time.monotonic() - began < PATIENCE_S / 2
    assert done.returncode == 1
    assert "Another ingest is running on collection 'default'" in done.stderr
    store.close()
