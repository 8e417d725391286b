"""Building an index and searching it, each for a process of its own: its memory is then its own as well."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.bench.sizes.spans import BATCH
from rag.embed.base import Vectors
from rag.settings import IndexSettings
from rag.store import open_index, write_index

TOP = 10
_CORES = 2  # that searches may use; building uses all
_FIRST = 100  # questions to an index that was just opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What building took."""

    build_s: float
    build_mb: float  # at most, mapped files not counted
    disk_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What every question found, one at a time, and what that took."""

    found: list[list[int]]
    seconds: list[float]
    first_seconds: list[float]  # of the first questions, when nothing of the files was in memory
    open_s: float
    resident_mb: float
    mapped_mb: float
    n_lists: int
    n_read: int


def build(vectors: Path, size: int, dimensions: int, settings: IndexSettings, folder: Path) -> Built:
    """An index over the first `size` rows of `vectors`, in `folder`."""
    rows = np.memmap(vectors, np.float16, "r").reshape(-1, dimensions)

    def parts() -> Iterator[tuple[Sequence[int], Vectors]]:
        buffer = np.empty((BATCH, dimensions), np.float32)  # one for all: fresh memory takes longer than converting
        for first in range(0, size, BATCH):
            last = min(first + BATCH, size)
            buffer[: last - first] = rows[first:last]
            yield range(first, last), buffer[: last - first]

    before = _memory_mb("RssAnon")
    most, is_done = [before], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.05):
            most[0] = max(most[0], _memory_mb("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        names = write_index(folder, parts, size, dimensions, settings)
    finally:
        is_done.set()
        watcher.join()
    seconds = time.perf_counter() - start
    disk_mb = sum((folder / name).stat().st_size for name in names) / 1e6
    return Built(build_s=seconds, build_mb=most[0] - before, disk_mb=disk_mb)


def search(folder: Path, questions: Vectors) -> Searched:
    """Each question, first with the disk's time, then without."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    for file in folder.iterdir():
        _forget(file)
    before, mapped_before = _memory_mb("VmRSS"), _memory_mb("RssFile")
    start = time.perf_counter()
    index = open_index(folder)
    open_s = time.perf_counter() - start

    def ask(some: Vectors) -> tuple[list[list[int]], list[float]]:
        found, seconds = [], []
        for question in some:
            start = time.perf_counter()
            hits = index.search(question, TOP)
            seconds.append(time.perf_counter() - start)
            found.append([seq for seq, _ in hits])
        return found, seconds

    _, first_seconds = ask(questions[:_FIRST])
    ask(questions)  # the disk's time is not the index's: every page has been read once
    found, seconds = ask(questions)
    n_read, n_lists = index.lists_read
    return Searched(
        found=found,
        seconds=seconds,
        first_seconds=first_seconds,
        open_s=open_s,
        resident_mb=_memory_mb("VmRSS") - before,
        mapped_mb=_memory_mb("RssFile") - mapped_before,
        n_lists=n_lists,
        n_read=n_read,
    )


def _forget(file: Path) -> None:
    """Nothing; the system keeps nothing of the file in memory, where it lets itself be told."""
    opened = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(opened)


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))
