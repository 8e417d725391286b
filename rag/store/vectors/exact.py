"""Every vector, compared with the question one by one. The reference for the other kinds."""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.store.vectors.base import Found, IndexKind, Parts, Vectors, batches, best
from rag.store.vectors.faiss_files import one_thread, selected, write_durably


class ExactIndex:
    """An index of kind EXACT."""

    kind = IndexKind.EXACT

    def __init__(self, index: faiss.Index) -> None:
        """index: as `write_exact` wrote it, mapped. It is never changed: faiss would end the process."""
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def lists_read(self) -> tuple[int, int]:
        """As `VectorIndex.lists_read`."""
        return 1, 1

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> Found:
        """As `VectorIndex.search`."""
        k = min(k, self._index.ntotal if allowed is None else len(allowed))
        if k < 1:
            return ()
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        params = None if allowed is None else faiss.SearchParameters(sel=selected(allowed))  # type: ignore[call-arg]
        one_thread()
        scores, seqs = self._index.search(query, k, params=params)
        return best(seqs[0], scores[0], k)

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """As `VectorIndex.vectors`."""
        if not seqs:
            return np.empty((0, self._index.d), np.float32)
        found: Vectors = self._index.reconstruct_batch(np.asarray(seqs, np.int64))
        return found


def nearest(questions: Vectors, rows: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Of each question the cosines of its `k` nearest rows (or all), and which they are, best first. Uses all cores."""
    scores, found = faiss.knn(questions, rows, min(k, len(rows)), metric=faiss.METRIC_INNER_PRODUCT)
    return scores, found


def write_exact(file: Path, dimensions: int, parts: Parts) -> None:
    """Nothing; `file` is an index over all parts, on the disk.

    Raises:
        OSError: it could not be written, or not whole.
    """
    half = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIDMap2(faiss.IndexScalarQuantizer(dimensions, half, faiss.METRIC_INNER_PRODUCT))
    for seqs, vectors in batches(parts):
        index.add_with_ids(vectors, seqs)
    write_durably(index, file)
