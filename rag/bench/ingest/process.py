"""An arm's process: told what to do, timed by itself, its memory watched from here."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import psutil

from rag.bench.ingest.child import Said, Spec
from rag.bench.ingest.environments import python_of, why_left_out
from rag.errors import ConfigError, EngineError

OURS, BARE = "ours", "bare"
ARMS = (OURS, BARE, "llamaindex", "haystack")
_FOREIGN = ("llamaindex", "haystack")  # in environments of their own
# Nobody is told that somebody measures.
_QUIET = ("env", "HAYSTACK_TELEMETRY_ENABLED=False", "HF_HUB_DISABLE_TELEMETRY=1")
_WATCH_S = 0.1
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one arm."""

    arm: str
    round_number: int
    seconds: float  # from the first file or text to the last that is stored
    cpu_s: float  # that all of its threads and processes computed meanwhile
    loaded_mb: float  # memory of its process with the model loaded and warm
    peak_mb: float  # of it and its children together, shared pages counted for each
    said: Said  # its own words: embedded, stages, dtype, n_threads, batch_size, versions


def leave_out(arm: str, arms_dir: Path) -> str | None:
    """Why the arm cannot take part; None if it can.

    Raises:
        ConfigError: there is no such arm.
    """
    if arm not in ARMS:
        raise ConfigError(f"There is no arm {arm!r}. Name some of {', '.join(ARMS)}, joined by commas.")
    return why_left_out(arm, arms_dir) if arm in _FOREIGN else None


def run_arm(arm: str, spec: Spec, texts: Sequence[str], *, arms_dir: Path, round_number: int) -> Sample:
    """What the arm's process measured.

    Raises:
        EngineError: it failed; the message has its last words.
    """
    python = python_of(arm, arms_dir) if arm in _FOREIGN else Path(sys.executable)
    command = [*_QUIET, str(python), "-m", f"rag.bench.ingest.child_{arm}"]
    with tempfile.TemporaryFile("w+") as words:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True)
        try:
            loaded = _ask(child, spec, arm, words)
            with _Memory(child.pid) as memory:
                said = _ask(child, list(texts), arm, words)
            child.wait()
        finally:
            child.kill()
            child.communicate()
    return Sample(
        arm=arm,
        round_number=round_number,
        seconds=said.pop("seconds"),
        cpu_s=said.pop("cpu_s"),
        loaded_mb=memory.first_bytes / _MB,
        peak_mb=memory.most_bytes / _MB,
        said=loaded | said,
    )


def _ask(child: "subprocess.Popen[str]", question: object, arm: str, words: IO[str]) -> Said:
    if child.stdin is None or child.stdout is None:
        raise AssertionError("opened with pipes")
    try:
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        child.wait()
        words.seek(0)
        last = (words.read().strip().splitlines() or ["it said nothing"])[-1]
        raise EngineError(f"The process of {arm} ended: {last[-300:]} Leave it out by --arms, or see what it lacks.")
    said: Said = json.loads(line)
    return said


class _Memory:
    """Watches the memory of a process and its children. Use it as a context."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.first_bytes = self.most_bytes = self._bytes()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_done.wait(_WATCH_S):
            self.most_bytes = max(self.most_bytes, self._bytes())

    def _bytes(self) -> int:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:  # between two looks at it
            pass
        return total
