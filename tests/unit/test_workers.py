"""Worker processes: one file at a time each, replaced when a file ends one, gone when the run is."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator

import psutil
import pytest

from ingest.readers.limits import Limits
from ingest.worker.frames import Part
from ingest.worker.pool import Readers, Reading
from ingest.worker.process import Bounds, Worker
from rag.settings import IngestSettings

SLOW = b"<div>" * 400_000


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(Bounds(timeout_s=60, memory_bytes=2**29, limits=Limits()))
    yield made
    made.kill()


def between(name: str, data: bytes) -> bytes:
    """An archive with this file between two good ones."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for each, content in (("a.md", b"# First"), (name, data), ("b.md", b"# Last")):
            archive.writestr(each, content)
    return out.getvalue()


def told(parts: Iterator[Part]) -> list[tuple[str, str | None]]:
    return [(part.name, part.extracted.text if part.extracted else part.failed) for part in parts]


def test_a_document_that_ends_its_worker_fails_alone(worker: Worker) -> None:
    parts = worker.read("a.zip", between("deadly.html", SLOW))
    assert told(iter([next(parts)])) == [("a.md", "# First")]
    first = worker._process
    threading.Timer(0.2, lambda: os.kill(first.pid, signal.SIGSEGV)).start()
    assert told(parts) == [("deadly.html", "damaged: its reader was ended by SIGSEGV on it"), ("b.md", "# Last")]
    assert worker._process is not first
    assert told(worker.read("c.md", b"# Next")) == [("", "# Next")]


def test_a_document_that_takes_too_long_fails_alone() -> None:
    worker = Worker(Bounds(timeout_s=3, memory_bytes=2**29, limits=Limits()))
    late = "timed out: not read in 3 s; raise ingest.file_timeout_s"
    assert told(worker.read("a.zip", between("late.html", SLOW * 10))) == [
        ("a.md", "# First"), ("late.html", late), ("b.md", "# Last"),
    ]  # fmt: skip
    worker.kill()


def test_a_document_that_takes_too_much_memory_fails_alone() -> None:
    worker = Worker(Bounds(timeout_s=60, memory_bytes=300 * 2**20, limits=Limits()))
    large = b"[" + b",".join([b'{"a":[1.5]}'] * 1_000_000) + b"]"
    assert told(worker.read("a.zip", between("large.json", large))) == [
        ("a.md", "# First"),
        ("large.json", "it takes more memory to read than ingest.worker_memory_bytes"),
        ("b.md", "# Last"),
    ]
    assert worker._process is None  # it is not trusted with another file
    assert told(worker.read("c.md", b"# Next")) == [("", "# Next")]
    worker.kill()


def test_a_file_that_ends_worker_after_worker_is_given_up(worker: Worker) -> None:
    parts = worker.read("a.zip", between("deadly.html", SLOW))
    stop = threading.Event()

    def kill_all() -> None:
        while not stop.wait(0.05):
            process = worker._process
            if process:
                process.kill()

    thread = threading.Thread(target=kill_all)
    thread.start()
    try:
        found = list(parts)
    finally:
        stop.set()
        thread.join()
    assert len(found) <= 5
    assert any(part.failed and "SIGKILL" in part.failed for part in found)


def test_files_come_in_order_and_what_cannot_be_opened_is_told() -> None:
    def load(number: int) -> tuple[str, bytes]:
        if number == 3:
            raise PermissionError(13, "no")
        return ("slow.html", SLOW[:500_000]) if number == 0 else ("a.md", b"# %d" % number)

    with Readers(IngestSettings(workers=2)) as readers:
        found = [(number, future.result()) for number, future in readers.read_all(range(30), load)]
        assert [number for number, _ in found] == list(range(30))
        assert isinstance(found[3][1], PermissionError)
        texts = [reading.parts[0].extracted for _, reading in found if isinstance(reading, Reading)]
        assert [text.text for text in texts if text] == [f"# {number}" for number in range(1, 30) if number != 3]
        # Asked of the pool: psutil leaves out whom it takes for older than this process.
        workers = [worker._process.pid for worker in readers._workers if worker._process]
        assert len(workers) == 2
    assert not [pid for pid in workers if psutil.pid_exists(pid)]


def test_a_worker_is_kept_for_the_next_file_however_large_its_owner_is(worker: Worker) -> None:
    owners = bytearray(os.urandom(1024)) * (400 * 1024)  # an owner with a model in memory
    assert told(worker.read("a.md", b"# First")) == [("", "# First")]
    process = worker._process
    assert told(worker.read("b.md", b"# Second")) == [("", "# Second")]
    assert worker._process is process
    assert len(owners) > 2**28


def test_leaving_the_block_ends_workers_in_the_middle_of_a_file() -> None:
    before = set(psutil.Process().children())  # multiprocessing keeps a process of its own, once it was used
    began = time.monotonic()
    with Readers(IngestSettings(workers=2)) as readers:
        readings = readers.read_all(range(10), lambda number: ("a.html", SLOW * 10) if number else ("a.md", b"# 0"))
        next(readings)
    assert time.monotonic() - began < 10
    assert not set(psutil.Process().children()) - before


def test_a_worker_ends_when_its_owner_is_gone() -> None:
    program = (
        "import sys, time; from ingest.worker.process import *; "
        "w = Worker(Bounds(timeout_s=9, memory_bytes=2**29, limits=Limits())); "
        "list(w.read('a.md', b'# A')); print(w._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with owner:
        worker = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    "attempt",
    ["import socket; socket.socket()", "import os; os.system('true')", "import subprocess; subprocess.run(['true'])"],
)
def test_a_worker_may_not_use_the_network_or_start_a_program(attempt: str) -> None:
    program = (
        f"import sys; from ingest.worker.child import _refuse_network; sys.addaudithook(_refuse_network); {attempt}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "PermissionError: a document reader tried" in done.stderr
