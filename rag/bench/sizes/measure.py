"""Search by kind and size of index: latency, recall, disk and memory."""

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rag.bench.sizes.spans import BATCH, Halves
from rag.bench.stats import percentile
from rag.embed.base import Vectors
from rag.settings import IndexSettings
from rag.store import IndexKind, kind_for, nearest, open_index, write_index

_K = 10
_CORES = 2  # that searches may use; building uses all
_BY_KIND = {
    IndexKind.EXACT: IndexSettings(exact_vectors=2**62),
    IndexKind.LISTS: IndexSettings(exact_vectors=0, memory_mib=2**40),
    IndexKind.COMPRESSED: IndexSettings(exact_vectors=0, memory_mib=16),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """One index, searched by every question in turn, one at a time."""

    kind: str
    n_vectors: int
    dimensions: int
    build_s: float
    build_mb: float  # the most that building took, mapped files not counted
    disk_mb: float
    resident_mb: float  # what the index took of memory after all questions, mapped files included
    mapped_mb: float  # the part of it that is files, which the system takes back when it needs the memory
    recall_at_10: float  # against brute force in 32 bits
    p50_ms: float
    p99_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def measure_sizes(
    vectors: Path, questions: Vectors, sizes: Sequence[int], *, folder: Path | None, say: Callable[[str], None]
) -> list[SizeResult]:
    """A result for each size and kind.

    vectors: as `embed_spans` wrote them. folder: for indexes, deleted after; None: the system's. say: takes progress.
    """
    rows = np.memmap(vectors, np.float16, "r").reshape(-1, questions.shape[1])
    results = []
    for size in sizes:
        wanted = _truth(rows[:size], questions)
        for kind in IndexKind:
            if kind_for(size, questions.shape[1], _BY_KIND[kind]) is not kind:
                continue  # so few that none of them would be compressed
            with tempfile.TemporaryDirectory(prefix="prefixrag-bench-", dir=folder) as place:
                results.append(_measure(kind, vectors, size, questions, wanted, Path(place)))
            say(f"measured {size} vectors, {kind.value}")
    return results


def _measure(
    kind: IndexKind, vectors: Path, size: int, questions: Vectors, wanted: Sequence[set[int]], folder: Path
) -> SizeResult:
    # Each step in a process of its own: memory is then its own as well.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as child:
        build_s, build_mb, disk_mb = child.submit(_build, kind, vectors, size, questions.shape[1], folder).result()
        found, seconds, resident_mb, mapped_mb = child.submit(_search, folder, questions).result()
    n_found = sum(len(near & set(some)) for near, some in zip(wanted, found, strict=True))
    return SizeResult(
        kind=kind.value,
        n_vectors=size,
        dimensions=questions.shape[1],
        build_s=round(build_s, 1),
        build_mb=round(build_mb, 1),
        disk_mb=round(disk_mb, 1),
        resident_mb=round(resident_mb, 1),
        mapped_mb=round(mapped_mb, 1),
        recall_at_10=round(n_found / (_K * len(questions)), 4),
        p50_ms=round(1000 * percentile(seconds, 0.5), 2),
        p99_ms=round(1000 * percentile(seconds, 0.99), 2),
    )


def _build(kind: IndexKind, vectors: Path, size: int, dimensions: int, folder: Path) -> tuple[float, float, float]:
    """Seconds, MB of memory at most, MB on the disk."""
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
        names = write_index(folder, parts, size, dimensions, _BY_KIND[kind])
    finally:
        is_done.set()
        watcher.join()
    seconds = time.perf_counter() - start
    return seconds, most[0] - before, sum((folder / name).stat().st_size for name in names) / 1e6


def _search(folder: Path, questions: Vectors) -> tuple[list[list[int]], list[float], float, float]:
    """Numbers found and seconds taken, by question; MB of memory, and MB of mapped files among it."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    before, mapped_before = _memory_mb("VmRSS"), _memory_mb("RssFile")
    index = open_index(folder)
    for question in questions:  # the disk's time is not the index's: every page has been read once
        index.search(question, _K)
    found, seconds = [], []
    for question in questions:
        start = time.perf_counter()
        hits = index.search(question, _K)
        seconds.append(time.perf_counter() - start)
        found.append([seq for seq, _ in hits])
    return found, seconds, _memory_mb("VmRSS") - before, _memory_mb("RssFile") - mapped_before


def _truth(rows: Halves, questions: Vectors) -> list[set[int]]:
    """Brute force in 32 bits."""
    scores = np.empty((len(questions), 0), np.float32)
    seqs = np.empty((len(questions), 0), np.int64)
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH].astype(np.float32)
        similar, found = nearest(questions, part, _K)
        scores, seqs = np.concatenate([scores, similar], axis=1), np.concatenate([seqs, found + first], axis=1)
        top = np.argsort(-scores, axis=1)[:, :_K]
        scores, seqs = np.take_along_axis(scores, top, 1), np.take_along_axis(seqs, top, 1)
    return [set(row.tolist()) for row in seqs]


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))
