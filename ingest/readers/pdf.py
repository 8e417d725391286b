"""PDF, read in a child process under limits of time and memory."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ingest.readers.base import Extracted, Mark, ReadFailure

_WORKER = Path(__file__).with_name("pdf_worker.py")
_MEMORY_BYTES = 2 * 2**30
_BREAK = "\n\n"  # between pages


class PdfReader:
    """PDFs with a text layer. The child process starts with the first one and is kept for the next."""

    def __init__(self, timeout_s: float, *, memory_bytes: int = _MEMORY_BYTES) -> None:
        """Limits for one file: seconds of wall time, bytes of address space."""
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._worker: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes) -> Extracted:
        """The text of all pages, a mark at each page's start."""
        answer = self._ask(data)
        if "error" in answer:
            raise ReadFailure(str(answer["error"]))
        pages: list[str] = answer["pages"]
        marks, length = [], 0
        for number, page in enumerate(pages, 1):
            marks.append(Mark(start=length, page=number))
            length += len(page) + len(_BREAK)
        return Extracted(
            text=_BREAK.join(pages), title=str(answer["title"]) or None, marks=tuple(marks), has_lines=False
        )

    def close(self) -> None:
        """Nothing; the child process has ended."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with worker:  # closes its pipes and waits for it
            worker.kill()

    # Any: JSON from our own worker, with the keys that its docstring names.
    def _ask(self, data: bytes) -> dict[str, Any]:
        worker = self._worker = self._worker or _start(self._memory_bytes)
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            worker.kill()

        timer = threading.Timer(self._timeout_s, end)
        timer.start()
        try:
            answer = _exchange(worker, data)
        finally:
            timer.cancel()
            timer.join()
        if answer is not None and not is_late.is_set():
            return dict(json.loads(answer))
        self.close()
        if is_late.is_set():
            raise ReadFailure(f"timed out: not read in {self._timeout_s:g} s; raise ingest.file_timeout_s")
        raise ReadFailure(f"damaged: the PDF parser ended with status {worker.returncode} on it")


def _start(memory_bytes: int) -> subprocess.Popen[bytes]:
    # -P: the folder of the script is not searched for modules, so that nothing beside it stands in for a library.
    command = [sys.executable, "-P", str(_WORKER), str(memory_bytes)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _exchange(worker: subprocess.Popen[bytes], data: bytes) -> bytes | None:
    """The worker's answer; None if it ended before it was whole."""
    if worker.stdin is None or worker.stdout is None:
        return None
    try:
        worker.stdin.write(len(data).to_bytes(8, "little") + data)
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    header = worker.stdout.read(8)
    length = int.from_bytes(header, "little")
    answer = worker.stdout.read(length) if len(header) == 8 else b""
    return answer if length and len(answer) == length else None
