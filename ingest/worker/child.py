"""The process that reads files, so that a hostile one can at worst end this process.

It imports readers as it needs them and nothing of `rag`: it must be small, quick to start, and independent of the
folder it is started in. It talks over one socket, its standard input, and writes nowhere else.
"""

import os
import resource
import sys
from typing import BinaryIO

from ingest.worker.frames import LENGTH_BYTES, Done, Started, framed, request_of
from ingest.worker.walk import Walk

_WORN_BYTES = 256 * 2**20  # a worker that holds more after a file is not kept
# Not the peak that getrusage tells: a process inherits that from the one that started it.
_MEMORY = "/proc/self/statm"
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "urllib.",
    "http.",
    "ftplib.",
    "os.exec",
    "os.system",
    "os.fork",
    "os.posix_spawn",
)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Nothing; answers until the requests end."""
    memory = os.open(_MEMORY, os.O_RDONLY)
    while body := _read(requests):
        request = request_of(body)
        data = _read(requests)
        walk = Walk(request.limits, done=request.done, dead=frozenset(request.dead))
        for event in walk.events(request.path, data):
            if isinstance(event, Started):
                _allow_cpu(request.cpu_s)
            answers.write(framed(event))
            if isinstance(event, Started):
                answers.flush()
        answers.write(framed(Done(walk.ran_out_of_memory or _resident_bytes(memory) > _WORN_BYTES)))
        answers.flush()


def main(memory_bytes: int) -> None:
    """Nothing; limits this process and answers on its standard input until that is closed."""
    for kind, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(kind, (limit, limit))
    sys.addaudithook(_refuse_network)
    with open(0, "rb", closefd=False) as requests, open(0, "wb", closefd=False) as answers:
        serve(requests, answers)


def _read(requests: BinaryIO) -> bytes:
    return requests.read(int.from_bytes(requests.read(LENGTH_BYTES), "little"))


def _allow_cpu(seconds: float) -> None:
    """The kernel ends this process after so much more work, though whoever started it may be gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _resident_bytes(memory: int) -> int:
    return int(os.pread(memory, 100, 0).split()[1]) * resource.getpagesize()


def _refuse_network(event: str, _: tuple[object, ...]) -> None:
    """Documents may name what lies elsewhere; nothing is fetched and nothing is started."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"a document reader tried {event}")
