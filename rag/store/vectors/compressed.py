"""Lists of short codes, a twentieth of the vectors. What looks best by its code is scored again by its vector.

The codes are small enough for the memory; the vectors stay on the disk, of which a question reads some hundred rows.
"""

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


class CompressedIndex:
    """An index of kind COMPRESSED."""

    kind = IndexKind.COMPRESSED

    def __init__(self, index: faiss.IndexIVF, rows: Path, seqs: Path) -> None:
        """index: as `write_compressed` wrote it; rows: the vectors, in the order of their numbers in `seqs`."""
        self._index = index
        self._rows = np.memmap(rows, np.float16, "r", shape=(index.ntotal, index.d))
        self._seqs = np.memmap(seqs, np.int64, "r")

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
        found: Vectors = self._rows[np.searchsorted(self._seqs, np.asarray(seqs, np.int64))].astype(np.float32)
        return found


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
