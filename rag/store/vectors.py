"""Exact search over unit vectors in one file. Score = cosine similarity."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.errors import CorpusError

Vectors = NDArray[np.float32]
_BATCH = 65_536


class VectorIndex:
    """A published index, mapped into memory. Searches may run at the same time."""

    def __init__(self, file: Path) -> None:
        """Map `file`.

        Raises:
            CorpusError: it is not an index.
        """
        # A mapped index must never be changed: faiss then ends the process. Nothing here adds or removes.
        try:
            self._index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError:
            raise CorpusError(
                f"The vector index cannot be read: {str(file)!r}. Delete the collection and run `rag ingest` again."
            ) from None

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> tuple[tuple[int, float], ...]:
        """Up to `k` pairs of chunk number and cosine, best first; equal scores by number.

        allowed: the numbers that may be found; None: all. Fewer than `k` are found only if there are fewer.
        """
        k = min(k, self._index.ntotal if allowed is None else len(allowed))
        if k < 1:
            return ()
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        scores, seqs = self._index.search(query, k, params=_only(allowed))
        # With a selector faiss fills up with -1 where fewer are left than were asked for.
        pairs = (pair for pair in zip(seqs[0].tolist(), scores[0].tolist(), strict=True) if pair[0] >= 0)
        return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """The vectors of these chunks, in order; each must be in the index."""
        if not seqs:
            return np.empty((0, self._index.d), np.float32)
        found: Vectors = self._index.reconstruct_batch(np.asarray(seqs, np.int64))
        return found


def _only(allowed: frozenset[int] | None) -> faiss.SearchParameters | None:
    if allowed is None:
        return None
    selector = faiss.IDSelectorBatch(np.fromiter(allowed, np.int64, len(allowed)))
    return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # its stubs know no arguments


def write_index(file: Path, dimensions: int, parts: Iterator[tuple[Sequence[int], Vectors]]) -> None:
    """Nothing; `file` is an index over all parts, on the disk.

    Raises:
        OSError: it could not be written, or not whole.
    """
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimensions))
    for seqs, vectors in parts:
        for first in range(0, len(seqs), _BATCH):
            some = slice(first, first + _BATCH)
            index.add_with_ids(np.ascontiguousarray(vectors[some], np.float32), np.asarray(seqs[some], np.int64))
    # faiss's own file writer does not report an error of the last flush; Python's does.
    with file.open("wb") as opened:
        writer = faiss.PyCallbackIOWriter(opened.write, 1 << 20)  # type: ignore[attr-defined]  # not in its stubs
        faiss.write_index(index, writer)
        opened.flush()
        os.fsync(opened.fileno())
