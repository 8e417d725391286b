"""One worker process, from outside: asked over a socket, ended when it is late, replaced when it has died."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec import MsgspecError

from ingest.readers.limits import Limits
from ingest.worker.frames import LENGTH_BYTES, Done, Part, Request, Started, answer_of, framed

_ROOT = Path(__file__).parents[2]
# -I -S: nothing of the folder, the environment or the site's own start-up is read. The path is the parent's.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ingest.worker.child import main; main({})"
_ANSWER_BYTES = 2**20  # that an answer may have beside its text
_CHAR_BYTES = 8  # of text and marks
_MOST_DEATHS = 3  # of workers on one file, before the rest of it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one document may take of a worker, and one file may give."""

    timeout_s: float
    memory_bytes: int
    limits: Limits


class _Died(Exception):
    """The worker has ended; the message says why, for the owner of the file."""


class Worker:
    """Reads one file at a time. One thread at a time may call, but `kill` may come from any."""

    def __init__(self, bounds: Bounds) -> None:
        """Nothing is started before the first file."""
        self._bounds = bounds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._closed = threading.Event()

    def read(self, path: str, data: bytes) -> Iterator[Part]:
        """The documents of the file in order. What ends the worker is told as failed, and the rest still read."""
        done, dead = 0, list[int]()
        while True:
            begun: Started | None = None
            try:
                for answer in self._answers(path, data, done, dead):
                    if isinstance(answer, Started):
                        begun = answer
                    else:
                        yield answer
                        begun = None
            except _Died as cause:
                yield Part(begun.name if begun else "", failed=str(cause))
                if begun is None or len(dead) >= _MOST_DEATHS:
                    return
                done = begun.number
                dead.append(done)
            else:
                return

    def kill(self) -> None:
        """Nothing; the process has ended, and no other is started."""
        self._closed.set()
        self._end()

    def _answers(self, path: str, data: bytes, done: int, dead: list[int]) -> Iterator[Started | Part]:
        request = Request(path, self._bounds.limits, self._bounds.timeout_s, done, tuple(dead))
        connection = self._socket or self._start()
        deadline = time.monotonic() + self._bounds.timeout_s
        try:
            connection.settimeout(self._bounds.timeout_s)
            connection.sendall(framed(request) + len(data).to_bytes(LENGTH_BYTES, "little"))
            connection.sendall(data)
            while True:
                answer = answer_of(self._receive(connection, deadline))
                if isinstance(answer, Done):
                    if answer.is_worn:
                        self._end()
                    return
                yield answer
                deadline = time.monotonic() + self._bounds.timeout_s
        except TimeoutError:
            self._end()
            raise _Died(self._late()) from None
        except (OSError, EOFError, MsgspecError):
            raise _Died(self._cause()) from None

    def _receive(self, connection: socket.socket, deadline: float) -> bytes:
        length = int.from_bytes(_exactly(connection, LENGTH_BYTES, deadline), "little")
        if length > self._bounds.limits.text_chars * _CHAR_BYTES + _ANSWER_BYTES:
            raise EOFError
        return bytes(_exactly(connection, length, deadline))

    def _start(self) -> socket.socket:
        if self._closed.is_set():
            raise OSError("closed")
        ours, theirs = socket.socketpair()
        paths = [str(_ROOT), *(path for path in sys.path if Path(path).is_absolute())]
        start = [sys.executable, "-I", "-S", "-c", _START.format(self._bounds.memory_bytes), json.dumps(paths)]
        with theirs:
            self._process = subprocess.Popen(
                start, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
            )
        self._socket = ours
        if self._closed.is_set():  # while it was being started
            self._end()
            raise OSError("closed")
        return ours

    def _end(self) -> int | None:
        """The status with which the process ended; it has."""
        process, connection = self._process, self._socket
        self._process = self._socket = None
        if connection:
            connection.close()
        if process is None:
            return None
        process.kill()
        return process.wait()

    def _late(self) -> str:
        return f"timed out: not read in {self._bounds.timeout_s:g} s; raise ingest.file_timeout_s"

    def _cause(self) -> str:
        process = self._process
        try:
            status = process.wait(1) if process else None  # its socket is closed, so it is about to end
        except subprocess.TimeoutExpired:
            status = None
        self._end()
        if status == -signal.SIGXCPU:
            return self._late()
        if status is None or status >= 0:
            return "damaged: its reader gave no sense"
        return f"damaged: its reader was ended by {signal.Signals(-status).name} on it"


def _exactly(connection: socket.socket, n_bytes: int, deadline: float) -> bytearray:
    received = bytearray(n_bytes)
    view, at = memoryview(received), 0
    while at < n_bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        taken = connection.recv_into(view[at:])
        if not taken:
            raise EOFError
        at += taken
    return received
