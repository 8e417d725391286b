"""Search by kind and size of index: latency, recall, disk and memory, with vectors of real text.

More vectors than a set has passages come from spans of them: runs of words of many lengths, from every place. Each is
embedded, so the vectors lie as those of a larger collection would; random ones do not, and mislead (docs/scale.md).
Where even spans are too few, two vectors of theirs are mixed.
"""

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.bench.stats import percentile
from rag.embed import Encoder
from rag.embed.base import Vectors
from rag.settings import IndexSettings
from rag.store import IndexKind, open_index, write_index

Halves = NDArray[np.float16]

_WORDS = (150, 110, 80, 60, 52, 45, 39, 33, 28, 24, 20, 17, 14, 12, 10, 8)  # of a span, the longest first
_BATCH = 16_384
_K = 10
_MIXED = 0.35  # weight of the second vector in a mixture: it stays the first one's neighbour
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
    recall_at_10: float  # against brute force in 32 bits
    p50_ms: float
    p99_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def spans(texts: Sequence[str]) -> Iterator[str]:
    """Different spans of the texts, each word count before the next smaller one."""
    seen: set[int] = set()
    for n_words in _WORDS:
        for text in texts:
            words = text.split()
            for first in range(0, max(1, len(words) - n_words + 1), max(1, n_words // 8)):
                span = " ".join(words[first : first + n_words])
                if hash(span) not in seen:
                    seen.add(hash(span))
                    yield span


def embed_spans(texts: Sequence[str], n: int, encoder: Encoder, file: Path) -> int:
    """How many vectors `file` has: rows of 16-bit components, of the first `n` spans. Kept if it is there."""
    if not file.is_file():
        temporary = file.with_suffix(".tmp")
        with temporary.open("wb") as opened:
            left = islice(spans(texts), n)
            while batch := list(islice(left, _BATCH)):
                opened.write(encoder.encode_documents(batch).astype(np.float16).tobytes())
        temporary.replace(file)
    return file.stat().st_size // (2 * encoder.info.dimensions)


def mix(file: Path, n: int, dimensions: int) -> None:
    """Nothing; `file` has `n` vectors, of which those beyond what it had are mixtures of two."""
    had = np.memmap(file, np.float16, "r").reshape(-1, dimensions)
    chance = np.random.default_rng(9)
    with file.open("ab") as opened:
        for first in range(len(had), n, _BATCH):
            count = min(_BATCH, n - first)
            ones, others = had[np.arange(first, first + count) % len(had)], had[chance.integers(0, len(had), count)]
            opened.write(_unit(ones + np.float16(_MIXED) * others).astype(np.float16).tobytes())


def bench_sizes(
    vectors: Path, questions: Vectors, sizes: Sequence[int], *, folder: Path | None, say: Callable[[str], None]
) -> list[SizeResult]:
    """A result for each size and kind. vectors: as `embed_spans` wrote them. folder: for indexes, deleted after."""
    rows = np.memmap(vectors, np.float16, "r").reshape(-1, questions.shape[1])
    results = []
    for size in sizes:
        wanted = _nearest(rows[:size], questions)
        for kind in IndexKind:
            with tempfile.TemporaryDirectory(prefix="prefixrag-bench-", dir=folder) as place:
                results.append(_measure(kind, vectors, size, questions, wanted, Path(place)))
            say(str(results[-1].as_dict()))
    return results


def _measure(
    kind: IndexKind, vectors: Path, size: int, questions: Vectors, wanted: Sequence[set[int]], folder: Path
) -> SizeResult:
    # Each step in a process of its own: memory is then its own as well.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as child:
        build_s, build_mb, disk_mb = child.submit(_build, kind, vectors, size, questions.shape[1], folder).result()
        found, seconds, resident_mb = child.submit(_search, folder, questions).result()
    n_found = sum(len(near & set(some)) for near, some in zip(wanted, found, strict=True))
    return SizeResult(
        kind=kind.value,
        n_vectors=size,
        dimensions=questions.shape[1],
        build_s=round(build_s, 1),
        build_mb=round(build_mb, 1),
        disk_mb=round(disk_mb, 1),
        resident_mb=round(resident_mb, 1),
        recall_at_10=round(n_found / (_K * len(questions)), 4),
        p50_ms=round(1000 * percentile(seconds, 0.5), 2),
        p99_ms=round(1000 * percentile(seconds, 0.99), 2),
    )


def _build(kind: IndexKind, vectors: Path, size: int, dimensions: int, folder: Path) -> tuple[float, float, float]:
    """Seconds, MB of memory at most, MB on the disk."""
    rows = np.memmap(vectors, np.float16, "r").reshape(-1, dimensions)

    def parts() -> Iterator[tuple[Sequence[int], Vectors]]:
        for first in range(0, size, _BATCH):
            last = min(first + _BATCH, size)
            yield range(first, last), _unit(rows[first:last])

    before, most, is_done = _memory_mb("RssAnon"), [0.0], threading.Event()

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


def _search(folder: Path, questions: Vectors) -> tuple[list[list[int]], list[float], float]:
    """Numbers found and seconds taken, by question, and MB of memory."""
    before = _memory_mb("VmRSS")
    index = open_index(folder)
    for question in questions:  # the disk's time is not the index's: every page has been read once
        index.search(question, _K)
    found, seconds = [], []
    for question in questions:
        start = time.perf_counter()
        hits = index.search(question, _K)
        seconds.append(time.perf_counter() - start)
        found.append([seq for seq, _ in hits])
    return found, seconds, _memory_mb("VmRSS") - before


def _nearest(rows: Halves, questions: Vectors) -> list[set[int]]:
    """Brute force in 32 bits."""
    scores = np.full((len(questions), _K), -np.inf, np.float32)
    nearest = np.full((len(questions), _K), -1, np.int64)
    for first in range(0, len(rows), _BATCH):
        part = _unit(rows[first : first + _BATCH])
        scores = np.concatenate([scores, questions @ part.T], axis=1)
        seqs = np.arange(first, first + len(part))
        nearest = np.concatenate([nearest, np.broadcast_to(seqs, (len(questions), len(part)))], axis=1)
        top = np.argpartition(-scores, _K, axis=1)[:, :_K]
        scores, nearest = np.take_along_axis(scores, top, 1), np.take_along_axis(nearest, top, 1)
    return [set(row.tolist()) for row in nearest]


def _unit(rows: Halves) -> Vectors:
    wide = rows.astype(np.float32)
    unit: Vectors = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))
