"""The tutorial, followed to the letter in a copy of the checkout: with a scripted engine, and with a real one."""

import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

PAGES = runpy.run_path(str(Path(__file__).with_name("pages.py")))
ROOT, PAGE = PAGES["ROOT"], "docs/tutorial.md"
TEXT = PAGES["read"](PAGE)
BLOCKS = list(PAGES["blocks_of"](PAGE, TEXT))
WRITTEN = "http://127.0.0.1:8000"
MODEL = "SmolLM2-135M-Instruct"
ANSWER = "The office dog is called Bosun. [1]"
DOG = 'echo "The office dog'


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of the files that a clone would have."""
    folder = tmp_path / "prefixrag"
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.timeout(900)
def test_with_a_scripted_engine(shell_in, clone, programs, tiny_format, tmp_path) -> None:
    activate = clone / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"export PATH={programs}:$PATH\n")
    with ExitStack() as stack:
        port = free_port()
        engine = ["--port", str(port), "--model", MODEL, "--source", str(tiny_format), "--reply", ANSWER]
        stack.enter_context(process([sys.executable, "-m", "rag.engine.fake_server", *engine], ROOT, dict(os.environ)))
        small = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__URLS": f'["http://127.0.0.1:{port}"]'}
        said = followed(shell_in, clone, {"PATH": f"{programs}:{os.environ['PATH']}", **small}, tmp_path)

    assert "15 new" in said["rag ingest"]
    assert "26 months" in said["rag search"]
    assert "1 new, 0 changed" in said[DOG]
    assert "Bosun" in said["curl"]


@pytest.mark.tutorial
@pytest.mark.timeout(1800)
def test_with_a_real_engine(shell_in, clone, tmp_path, capsys) -> None:
    (clone / ".venv").symlink_to(sys.prefix)
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\nexec {shutil.which("make")} -n "$@"\n')  # set-up has been done, by this test's own
    make.chmod(0o755)
    began = time.monotonic()
    said = followed(shell_in, clone, {"PATH": f"{make.parent}:{os.environ['PATH']}"}, tmp_path)
    took_s = time.monotonic() - began

    with capsys.disabled():
        told = "\n".join([f"\nfrom set-up to the end: {took_s:.0f} s", said["rag ask"], said[DOG], said["python"]])
        sys.stdout.write(f"{told}\n")
    for words in (said[DOG], said["python"], said["curl"]):
        assert "Bosun" in words
        assert "dog.md" in words
    assert re.search(r"^exact dog\.md .*Bosun", said["python"], re.MULTILINE)
    assert TEXT.startswith("# Ten minutes")
    assert took_s < 600


def followed(shell_in: Callable[..., Any], clone: Path, variables: dict[str, str], home: Path) -> dict[str, str]:
    """What each block printed, by its first words. One marked for a second terminal runs beside those behind it."""
    port = free_port()
    own = {"HOME": str(home), "LANG": "C.UTF-8", "PYTHONPATH": str(clone), "RAG_SERVER__PORT": str(port)}
    environment = {**variables, **own}
    url = f"http://127.0.0.1:{port}"
    shell = shell_in(clone, url, environment)
    mark = TEXT[: TEXT.index("<!-- second terminal -->")].count("\n") + 1
    said: dict[str, str] = {}
    with ExitStack() as stack:
        for block in BLOCKS:
            if block.line == mark + 2:
                command = [sys.executable, "-m", *block.code.split()]
                service = stack.enter_context(process(command, clone, environment))
                wait_until(lambda: is_ready(port), service)
                continue
            code = block.code
            if block.language == "python":  # by the python of the environment that a block before it has entered
                (clone / "ask.py").write_text(code.replace(WRITTEN, url))
                code = "python ask.py"
            name = (
                "python"
                if block.language == "python"
                else next(
                    (
                        word
                        for word in (DOG, "rag ingest", "rag search", "rag ask", "rag status", "curl")
                        if word in code
                    ),
                    code,
                )
            )
            said.setdefault(name, shell.run(code, "sh"))
    return said


@contextmanager
def process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)


def wait_until(condition: Callable[[], bool], service: "subprocess.Popen[bytes]") -> None:
    while not condition():
        assert service.poll() is None, "the service has ended"
        time.sleep(0.1)


def is_ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
