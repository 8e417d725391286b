"""Lists of short codes, a twentieth of the vectors. What looks best by its code is scored again by its vector.

The codes are small enough for the memory; the vectors stay on the disk, of which a question reads some hundred rows.
"""

import mmap
import time
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.store.layout import sync
from rag.store.vectors.base import Found, IndexKind, Parts, Vectors, batches, best
from rag.store.vectors.faiss_files import write_durably
from rag.store.vectors.lists import fill_lists, search_lists
from rag.store.vectors.training import Sample, n_lists

_COMPONENTS_PER_CODE = 8  # each byte of a code stands for so many components
_AGAIN = 20  # times as many as are wanted are scored again, so that codes cost no recall
_LEAST_AGAIN = 400
_TOLD_S = 60.0  # so long the system is taken to keep what it was told of: telling 400 pages takes 0.8 ms


class CompressedIndex:
    """An index of kind COMPRESSED."""

    kind = IndexKind.COMPRESSED

    def __init__(self, index: faiss.IndexIVF, rows: Path, seqs: Path) -> None:
        """index: as `write_compressed` wrote it; rows: the vectors, in the order of their numbers in `seqs`."""
        self._index = index
        with rows.open("rb") as opened:
            self._mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        self._mapped.madvise(mmap.MADV_RANDOM)  # else the system reads 128 KB for each row of less than 1 KB
        self._rows = np.frombuffer(self._mapped, np.float16).reshape(index.ntotal, index.d)
        self._seqs = np.memmap(seqs, np.int64, "r")
        self._told = np.zeros(len(self._mapped) // mmap.PAGESIZE + 1, np.bool_)  # pages that the system was told of
        self._told_since = time.monotonic()

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def lists_read(self) -> tuple[int, int]:
        """As `VectorIndex.lists_read`."""
        return self._index.nprobe, self._index.nlist

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> Found:
        """As `VectorIndex.search`. The scores are exact."""
        seqs, _ = search_lists(self._index, vector, max(_AGAIN * k, _LEAST_AGAIN), allowed)
        seqs = seqs[seqs >= 0]
        return best(seqs, self.vectors(seqs) @ np.asarray(vector, np.float32), k)

    def vectors(self, seqs: Sequence[int] | NDArray[np.int64]) -> Vectors:
        """As `VectorIndex.vectors`."""
        places = np.searchsorted(self._seqs, np.asarray(seqs, np.int64))
        self._announce(places)
        found: Vectors = self._rows[places].astype(np.float32)
        return found

    def _announce(self, places: NDArray[np.int64]) -> None:
        """Nothing; the disk reads these rows at once, where it would read one after the other."""
        now = time.monotonic()
        if now > self._told_since + _TOLD_S:
            self._told[:], self._told_since = False, now
        row, page = self._rows.strides[0], mmap.PAGESIZE
        pages = np.unique(places * row // page)
        new = pages[~self._told[pages]]
        self._told[new] = True
        for first in (new * page).tolist():
            self._mapped.madvise(mmap.MADV_WILLNEED, first, min(page + row, len(self._mapped) - first))


def write_compressed(file: Path, rows: Path, seqs: Path, parts: Parts, n: int, dimensions: int) -> None:
    """Nothing; the three files are an index over the `n` vectors in `parts`, whose numbers ascend, on the disk.

    Raises:
        OSError: a file could not be written, or not whole.
    """
    sample = Sample(parts, n, dimensions)
    index = faiss.IndexIVFPQ(
        faiss.IndexFlatIP(dimensions),
        dimensions,
        n_lists(n),
        dimensions // _COMPONENTS_PER_CODE,
        8,
        faiss.METRIC_INNER_PRODUCT,
    )
    fill_lists(index, sample, parts)
    _write_rows(rows, seqs, parts)
    write_durably(index, file)


def _write_rows(rows: Path, seqs: Path, parts: Parts) -> None:
    with rows.open("wb") as vectors, seqs.open("wb") as numbers:
        for some, part in batches(parts):
            vectors.write(part.astype(np.float16).tobytes())
            numbers.write(some.tobytes())
    sync(rows)
    sync(seqs)
