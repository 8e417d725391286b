"""`rag chat`, `rag top` and `rag` alone against a running service: on a real terminal and on a pipe."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

import httpx2
import pytest

from rag.cli.frame import run
from rag.cli.uploads import failed_uploads

OPTIONS = {"text": True, "timeout": 90, "capture_output": True}
REPLY = "The standard warranty lasts 26 months [1]."
SLOW = "word " * 400
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])m")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def announced(serve_fake, data_dir):
    """A service over a data directory of the test's own, which commands there find: its URL and the directory."""
    with serve_fake(REPLY, settings={"data_dir": data_dir}, is_announced=True) as (url, _):
        yield url, data_dir


@pytest.fixture
def rag(monkeypatch, capsys):
    """Runs a command on pipes in this process: `rag(data_dir, "chat", given="Hello?")`."""

    def call(data_dir, *arguments, given=""):
        monkeypatch.setenv("RAG_DATA_DIR", str(data_dir))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        capsys.readouterr()
        status = run(arguments)
        return Done(status, *capsys.readouterr())

    return call


def test_a_pipe_is_a_conversation(rag, announced) -> None:
    _, data_dir = announced
    done = rag(
        data_dir, "chat", given="How long is the warranty?\n/sources\n/nonsense\n/new\nAnd now?\n/quit\nNever.\n"
    )

    assert (done.returncode, done.stdout.count(REPLY)) == (0, 2)
    assert "\x1b" not in done.stdout + done.stderr
    assert "> " not in done.stdout.splitlines()[0]
    assert "rank\tscore\tdocument\tused" in done.stdout
    assert "/nonsense is no command" in done.stderr
    assert "Never" not in done.stdout


def test_a_turn_without_an_answer_is_told_and_the_next_is_asked(rag, announced) -> None:
    _, data_dir = announced
    done = rag(data_dir, "chat", "--json", given=f"{'far too long ' * 9000}\nHow long is the warranty?\n")
    refused, answered = map(json.loads, done.stdout.splitlines())

    assert done.returncode == 1
    assert refused["error"]["code"] == "context_length_exceeded"
    assert answered["answer"] == REPLY
    assert answered["rag"]["reuse"]["prompt_tokens"] > 0


def test_earlier_turns_are_sent_as_they_were_answered(rag, serve_fake, data_dir) -> None:
    with serve_fake(REPLY, settings={"data_dir": data_dir}, is_announced=True) as (_, engine):
        done = rag(data_dir, "chat", given="How long is the warranty?\nAnd of the battery?\n")
        first, second = engine.prompts[-2:]
    assert done.returncode == 0
    assert second[: len(first)] == first


def test_a_conversation_on_a_terminal(announced, open_terminal) -> None:
    url, data_dir = announced
    terminal = open_terminal("chat", RAG_DATA_DIR=str(data_dir))
    assert "tiny at " in terminal.wait_for("> ")
    terminal.type("How long is the warranty?\r")
    assert REPLY in terminal.wait_for("prompt tokens reused")
    terminal.wait_for("> ")
    terminal.type("/coll\t secret\r")  # the tab key completes
    assert "Answers come from 'secret' now" in terminal.wait_for("> ")
    terminal.type("/collection\r")
    assert "* secret" in terminal.wait_for("> ")
    terminal.type("/model nobody\r")
    assert "There are: tiny, fake" in terminal.wait_for("> ")
    terminal.type("/model tiny:plain\r")
    assert "tiny:plain answers from now on" in terminal.wait_for("> ")
    terminal.type("half a li")
    terminal.wait_for("half a li")
    terminal.press_until("\x03", "/quit or Ctrl-D ends")  # Ctrl-C drops what was typed
    terminal.wait_for("> ")
    terminal.type("/sources\r")
    assert "No answer has sources yet" in terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.end()[0] == 0
    assert url


def test_an_interrupt_ends_the_answer_and_not_the_program(serve_fake, data_dir, open_terminal) -> None:
    settings = {"data_dir": data_dir}
    with serve_fake(SLOW, settings=settings, is_announced=True, token_s=0.1) as (url, engine):
        terminal = open_terminal("chat", RAG_DATA_DIR=str(data_dir))
        terminal.wait_for("> ")
        terminal.type("How long is the warranty?\r")
        terminal.wait_for("word word")
        terminal.press_until("\x03", "stopped")
        terminal.wait_for("> ")
        terminal.type("/quit\r")
        assert terminal.end()[0] == 0
        while "rag_in_flight_requests 0.0" not in httpx2.get(f"{url}/metrics").text:
            pass  # until the place is free; the test's own limit ends it
        assert engine.n_cancelled == 1


def test_an_interrupt_on_a_pipe_ends_the_program(serve_fake, data_dir) -> None:
    with serve_fake(SLOW, settings={"data_dir": data_dir}, is_announced=True, token_s=0.1):
        environment = {**os.environ, "RAG_DATA_DIR": str(data_dir)}
        command = [sys.executable, "-m", "rag", "chat"]
        with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, env=environment, bufsize=0) as process:
            process.stdin.write(b"How long is the warranty?\nAnd now?\n")
            assert process.stdout.read(1) == b"w"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    assert out.count(b"\n") <= 2


def test_top_as_a_document_and_as_lines(rag, announced) -> None:
    url, data_dir = announced
    body = {"model": "tiny", "messages": [{"role": "user", "content": "How long is the warranty?"}]}
    for _ in range(3):
        httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30).raise_for_status()
    document = json.loads(rag(data_dir, "top", "--json", "--every", "0.1").stdout)
    lines = rag(data_dir, "top", "--every", "0.1", "--count", "2")

    assert (document["state"], document["running"], document["queued"], document["shed_ever"]) == ("ready", 0, 0, 0)
    assert document["hit_ratio_ever"] > 0.5
    assert document["cached_tokens_ever"] > 0
    assert document["requests_per_s"] == 0  # who looks is no load
    (engine,) = document["engines"]
    assert (engine["url"], engine["state"], engine["kv_used"]) == ("fake://engine", "ready", None)
    assert {each["name"]: each["documents"] > 0 for each in document["collections"]} == {
        "default": True,
        "secret": True,
    }
    assert lines.stdout.count("\n") == 2
    assert "1 of 1 engines ready" in lines.stdout


def test_top_needs_an_administrator_and_a_service(rag, announced, make_key, tmp_path) -> None:
    url, _ = announced
    key = make_key("chat")
    refused = rag(tmp_path, "top", "--url", f"{url}/", "--api-key", key)
    alone = rag(tmp_path, "top", "--url", "http://127.0.0.1:9")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "scope admin" in refused.stderr
    assert alone.returncode == 3
    assert "rag serve" in alone.stderr


@pytest.mark.parametrize("no_colour", [False, True])
def test_top_on_a_terminal(announced, open_terminal, no_colour) -> None:
    _, data_dir = announced
    environment = {"RAG_DATA_DIR": str(data_dir), **({"NO_COLOR": "1"} if no_colour else {})}
    terminal = open_terminal("top", "--every", "0.2", "--count", "2", **environment)
    status, shown = terminal.end()

    assert status == 0
    assert "fake://engine" in shown
    assert "since it started" in shown
    assert bool(COLOUR.search(shown)) != no_colour


def test_rag_alone_names_the_service_and_lost_uploads(rag, announced) -> None:
    url, data_dir = announced
    file = httpx2.post(
        f"{url}/v1/files", data={"purpose": "assistants"}, files={"file": ("broken.pdf", b"%PDF-1.7 no more")}
    ).json()
    stores = {each["name"]: each["id"] for each in httpx2.get(f"{url}/v1/vector_stores").json()["data"]}
    path = f"{url}/v1/vector_stores/{stores['default']}/files"
    httpx2.post(path, json={"file_id": file["id"]}).raise_for_status()
    while httpx2.get(f"{path}/{file['id']}").json()["status"] == "in_progress":
        pass
    alone = rag(data_dir)

    assert alone.returncode == 0
    assert f"The service at {url} (pid" in alone.stdout
    assert "rag chat" in alone.stdout
    assert "1 uploaded files of 'default' are not searchable:\n  broken.pdf: " in alone.stdout
    assert [name for name, _ in failed_uploads(data_dir, stores["default"])] == ["broken.pdf"]  # as doctor tells it


def test_real_bash_completes_commands_options_and_collections(data_dir, tmp_path) -> None:
    """Bash itself asks, as it does when the tab key is pressed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rag").write_text(f'#!/bin/sh\nexec {sys.executable} -m rag "$@"\n')
    (folder / "rag").chmod(0o755)
    script = """
    source <(rag completion bash)
    ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _rag_completion rag; echo "${COMPREPLY[*]}"; }
    ask rag sta
    ask rag chat --coll
    ask rag search x -c ""
    complete -p rag
    """
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "RAG_DATA_DIR": str(data_dir)}
    done = subprocess.run([shutil.which("bash"), "-c", script], check=False, env=environment, **OPTIONS)

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "status", "--collection", "default secret", "complete -o default -F _rag_completion rag",
    ]  # fmt: skip
