"""Search by kind and size of index: latency, recall, disk and memory."""

import json
import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.bench.sizes.steps import TOP, Built, Searched, build, search
from rag.bench.stats import percentile
from rag.embed.base import Vectors
from rag.settings import IndexSettings
from rag.store import IndexKind, kind_for

_BY_KIND = {
    IndexKind.EXACT: IndexSettings(exact_vectors=2**62),
    IndexKind.LISTS: IndexSettings(exact_vectors=0, memory_mib=2**40),
    IndexKind.COMPRESSED: IndexSettings(exact_vectors=0, memory_mib=16),
}
_BUILT = "built.json"  # there once the index is whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """One index, searched by every question in turn, one at a time."""

    kind: str
    n_vectors: int
    n_mixtures: int  # of the vectors those that are no span's own, but mixed of such
    dimensions: int
    build_s: float
    build_mb: float  # the most that building took, mapped files not counted
    disk_mb: float
    resident_mb: float  # what the index took of memory after all questions, mapped files included
    mapped_mb: float  # the part of it that is files, which the system takes back when it needs the memory
    n_lists: int  # 1: there are none
    n_read: int  # lists that a question reads
    recall_at_10: float  # against brute force in 32 bits
    p50_ms: float
    p99_ms: float
    open_ms: float
    cold_first_ms: float  # the first question, when nothing of the files was in memory
    cold_p50_ms: float  # the first hundred

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Vectors, and what is near each question among them."""

    vectors: Path  # rows of 16 bits
    size: int  # so many of them
    n_mixtures: int
    questions: Vectors
    wanted: Sequence[set[int]]


def can_have(kind: IndexKind, size: int, dimensions: int) -> bool:
    """Whether so many vectors are kept that way at all: few are never compressed."""
    return kind_for(size, dimensions, _BY_KIND[kind]) is kind


def measure(case: Case, kind: IndexKind, folder: Path, *, is_kept: bool) -> SizeResult:
    """An index of the case in `folder`, searched. It is built if it is not there, and deleted unless it is kept."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as child:
        note = folder / _BUILT
        if not note.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            dimensions = case.questions.shape[1]
            built = child.submit(build, case.vectors, case.size, dimensions, _BY_KIND[kind], folder).result()
            note.write_text(json.dumps(asdict(built)), "utf-8")
        built = Built(**json.loads(note.read_text("utf-8")))
        searched = child.submit(search, folder, case.questions).result()
    if not is_kept:
        shutil.rmtree(folder)
    return _result(case, kind, built, searched)


def _result(case: Case, kind: IndexKind, built: Built, searched: Searched) -> SizeResult:
    n_found = sum(len(near & set(some)) for near, some in zip(case.wanted, searched.found, strict=True))
    return SizeResult(
        kind=kind.value,
        n_vectors=case.size,
        n_mixtures=case.n_mixtures,
        dimensions=case.questions.shape[1],
        build_s=round(built.build_s, 1),
        build_mb=round(built.build_mb, 1),
        disk_mb=round(built.disk_mb, 1),
        resident_mb=round(searched.resident_mb, 1),
        mapped_mb=round(searched.mapped_mb, 1),
        n_lists=searched.n_lists,
        n_read=searched.n_read,
        recall_at_10=round(n_found / (TOP * len(case.questions)), 4),
        p50_ms=_ms(percentile(searched.seconds, 0.5)),
        p99_ms=_ms(percentile(searched.seconds, 0.99)),
        open_ms=_ms(searched.open_s),
        cold_first_ms=_ms(searched.first_seconds[0]),
        cold_p50_ms=_ms(percentile(searched.first_seconds, 0.5)),
    )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
