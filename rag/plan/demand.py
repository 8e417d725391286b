"""Which prefixes of a collection are asked for, by what questions found."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.types import Hit

_MEMORY = 256  # questions; older ones fade
_SHARPNESS = 4  # how fast demand falls off with distance between topics


class Demand:
    """Recent demand for each prefix of one set, with its neighbours' share. Callers take turns."""

    def __init__(self, means: NDArray[np.float32]) -> None:
        """means: mean vector of each prefix's chunks, shape (n, d)."""
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        self._means = means / np.maximum(lengths, 1e-9)
        self._asked = np.zeros(len(means), np.float64)
        self._n_asked = np.zeros(len(means), np.int64)

    def note(self, hits: Sequence[Hit], numbers: Sequence[Sequence[int]]) -> None:
        """Count a question. numbers: for each of its hits, the prefixes that show the chunk."""
        total = sum(max(hit.score, 0.0) for hit in hits)
        self._asked *= 1 - 1 / _MEMORY
        for hit, showing in zip(hits, numbers, strict=True):
            for number in showing:
                self._asked[number] += max(hit.score, 0.0) / total if total else 0.0
        self._n_asked[sorted({number for showing in numbers for number in showing})] += 1

    def n_asked(self, number: int) -> int:
        """Questions so far that found a chunk which prefix `number` shows."""
        return int(self._n_asked[number])

    @property
    def n_questions(self) -> int:
        """Questions so far that found a chunk which any prefix shows, each once for every such prefix."""
        return int(self._n_asked.sum())

    def ranked(self) -> list[int]:
        """All prefixes, most wanted first: those asked for, then those most like them; at first in their own order.

        Cost: O(asked x n x d).
        """
        asked = np.flatnonzero(self._asked > 0)
        if not len(asked):
            return list(range(len(self._asked)))
        likeness = np.maximum(self._means @ self._means[asked].T, 0.0) ** _SHARPNESS
        wanted = likeness @ self._asked[asked]
        order: list[int] = np.argsort(-wanted, kind="stable").tolist()
        return order
