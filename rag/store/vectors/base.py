"""What every kind of index can do, and which kind is for which size."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.settings import IndexSettings

Vectors = NDArray[np.float32]
Parts = Callable[[], Iterator[tuple[Sequence[int], Vectors]]]  # numbers and their vectors; each call gives them anew
Found = tuple[tuple[int, float], ...]  # pairs of chunk number and cosine, best first; equal scores by number

HALF = 2  # bytes of a stored component


class IndexKind(StrEnum):
    """How vectors are kept, from the most exact to the smallest."""

    EXACT = "exact"  # every vector in 16 bits, each compared with the question
    LISTS = "lists"  # every vector in 16 bits, in lists of similar ones, of which the nearest are read
    COMPRESSED = "compressed"  # lists of short codes in memory; the best are scored again by vectors on the disk


def kind_for(n: int, dimensions: int, settings: IndexSettings) -> IndexKind:
    """The kind of index for `n` vectors."""
    if n <= settings.exact_vectors:
        return IndexKind.EXACT
    return IndexKind.LISTS if n * dimensions * HALF <= settings.memory_mib * 2**20 else IndexKind.COMPRESSED


class VectorIndex(Protocol):
    """A published index. Searches may run at the same time."""

    @property
    def kind(self) -> IndexKind:
        """How the vectors are kept."""

    def __len__(self) -> int:
        """How many vectors there are."""

    @property
    def lists_read(self) -> tuple[int, int]:
        """How many lists a question reads, of how many; without lists 1 of 1."""

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> Found:
        """Up to `k` chunk numbers with their cosines.

        vector: float32 of shape (dimensions,), length 1. allowed: the numbers that may be found; None: all. With
        EXACT, fewer than `k` are found only if there are fewer; the others may miss some, but none of few allowed ones.
        """

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """The vectors of these chunks, in order; each must be in the index."""


def best(seqs: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """The `k` best of these. Numbers below 0 stand for nothing: faiss fills up with them."""
    pairs = (pair for pair in zip(seqs.tolist(), scores.tolist(), strict=True) if pair[0] >= 0)
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k])


def batches(parts: Parts, size: int = 65_536) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """All of `parts` as arrays of at most `size` rows."""
    for seqs, vectors in parts():
        for first in range(0, len(seqs), size):
            some = slice(first, first + size)
            yield np.asarray(seqs[some], np.int64), np.ascontiguousarray(vectors[some], np.float32)
