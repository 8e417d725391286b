"""What lists learn from a collection's own vectors: where they lie, and how many have to be read."""

import math

import numpy as np
from numpy.typing import NDArray

from rag.store.vectors.base import Parts, Vectors, batches
from rag.store.vectors.centres import Centres
from rag.store.vectors.exact import nearest

_PER_LIST = 40  # vectors to learn a list from; fewer make uneven ones
_SEED = 7
_QUESTIONS = 200  # made of vectors of the collection
# Vectors themselves are easy questions: what is near one lies in its list, the more so where chunks overlap. People's
# questions lie between the lists, as a vector does that is moved so far towards so many others. docs/scale.md.
_MOVED, _TOWARDS = 0.6, 2
_K = 10
_AIM = 0.99  # share of the nearest that lie in the lists that are read


class Sample:
    """Vectors to learn from, and made-up questions; their nearest vectors are found while lists are filled."""

    def __init__(self, parts: Parts, n: int, dimensions: int) -> None:
        """A sample of the `n` vectors in `parts`, the same for the same vectors."""
        chance = np.random.default_rng(_SEED)
        size = min(n, max(_PER_LIST * n_lists(n), _QUESTIONS))
        chosen = np.sort(chance.choice(n, size, replace=False))
        self.vectors = np.empty((size, dimensions), np.float16)  # half the memory; centres do not need more
        seqs = np.empty(size, np.int64)
        read = 0
        for numbers, rows in batches(parts):
            first, last = np.searchsorted(chosen, (read, read + len(rows)))
            self.vectors[first:last] = rows[chosen[first:last] - read]
            seqs[first:last] = numbers[chosen[first:last] - read]
            read += len(rows)
        asked = np.sort(chance.choice(size, min(size, _QUESTIONS), replace=False))
        others = self.vectors[chance.integers(0, size, (_TOWARDS, len(asked)))].astype(np.float32)
        questions = self.vectors[asked].astype(np.float32) + np.float32(_MOVED) * others.sum(axis=0)
        self._questions: Vectors = questions / np.linalg.norm(questions, axis=1, keepdims=True)
        self._own = seqs[asked]
        self._scores = np.empty((len(asked), 0), np.float32)
        self._nearest = np.empty((len(asked), 0, dimensions), np.float32)

    def see(self, seqs: NDArray[np.int64], rows: Vectors) -> None:
        """Nothing; of these vectors those are kept that are the nearest to a question so far, but what it was made of.

        seqs: the numbers of `rows`.
        """
        similar, found = nearest(self._questions, rows, _K + 1)
        similar[self._own[:, None] == seqs[found]] = -np.inf
        scores = np.concatenate([self._scores, similar], axis=1)
        vectors = np.concatenate([self._nearest, rows[found]], axis=1)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :_K]
        self._scores = np.take_along_axis(scores, top, 1)
        self._nearest = np.take_along_axis(vectors, top[:, :, None], 1)

    def probe(self, centres: Centres) -> int:
        """How many lists to read, the best first, so that nearly all of the nearest vectors lie in them."""
        n_questions, k, dimensions = self._nearest.shape
        homes = centres.homes(self._nearest.reshape(-1, dimensions))
        scores = self._questions @ centres.rows.T
        home_scores = np.take_along_axis(scores, homes.reshape(n_questions, k), axis=1)
        n_better = (scores[:, None, :] > home_scores[:, :, None]).sum(axis=2)  # lists read before a vector's own
        probe = int(np.quantile(n_better, _AIM, method="higher")) + 1
        # Where chunks come in families, all that is near a made-up question lies in two lists or three. People's do
        # not.
        least = round(2 * math.sqrt(len(centres.rows)))
        return min(max(probe, least), len(centres.rows))


def n_lists(n: int) -> int:
    """About four times the root of `n`, a power of two, and few enough that each has vectors to learn from.

    As many as the root would compare as many centres as vectors of a list; four times as many find the same with a
    third of the vectors read.
    """
    wanted = 2 ** round(math.log2(4 * math.sqrt(max(n, 1))))
    most = 2 ** int(math.log2(max(n / _PER_LIST, 1)))
    return int(min(wanted, most))
