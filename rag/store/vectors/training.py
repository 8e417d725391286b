"""What lists learn from a collection's own vectors: where they lie, and how many have to be read."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.store.vectors.base import Parts, Vectors, batches

_PER_LIST = 40  # vectors to learn a list from; faiss warns below 39
_SEED = 7
_QUESTIONS = 100  # vectors of the collection that stand for questions
_K = 10
_AIM = 0.99  # recall at 10; the rest is for real questions, which are less like the vectors than these
_SMALLEST_PROBE = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """Vectors to learn from, and some to ask for, with the numbers of each one's nearest."""

    vectors: Vectors
    questions: Vectors
    nearest: NDArray[np.int64]  # shape (questions, 10), the question's own vector left out


def n_lists(n: int) -> int:
    """About the root of `n`, a power of two: a question then compares as many centres as vectors of a list."""
    return int(2 ** max(4, round(math.log2(math.sqrt(max(n, 1))))))


def take_sample(parts: Parts, n: int, dimensions: int) -> Sample:
    """A sample of the `n` vectors in `parts`, the same for the same vectors. Reads them twice."""
    chance = np.random.default_rng(_SEED)
    size = min(n, _PER_LIST * n_lists(n))
    chosen = np.sort(chance.choice(n, size, replace=False))
    vectors = np.empty((size, dimensions), np.float32)
    seqs = np.empty(size, np.int64)
    read = taken = 0
    for numbers, rows in batches(parts):
        here = chosen[(chosen >= read) & (chosen < read + len(rows))] - read
        vectors[taken : taken + len(here)] = rows[here]
        seqs[taken : taken + len(here)] = numbers[here]
        taken += len(here)
        read += len(rows)
    asked = np.sort(chance.choice(size, min(size, _QUESTIONS), replace=False))
    questions = vectors[asked]
    return Sample(vectors, questions, _nearest(parts, questions, seqs[asked]))


def choose_probe(index: faiss.IndexIVF, sample: Sample, search: Callable[[Vectors, int], NDArray[np.int64]]) -> int:
    """How many lists to read, so that `search(questions, probe)` finds nearly all that there is."""
    probe = _SMALLEST_PROBE
    while probe < index.nlist:
        found = search(sample.questions, probe)
        n_found = sum(len(set(near) & set(some)) for near, some in zip(sample.nearest, found, strict=True))
        if n_found >= _AIM * sample.nearest.size:
            return probe
        probe *= 2
    return int(index.nlist)


def _nearest(parts: Parts, questions: Vectors, own: NDArray[np.int64]) -> NDArray[np.int64]:
    scores = np.full((len(questions), _K), -np.inf, np.float32)
    nearest = np.full((len(questions), _K), -1, np.int64)
    for seqs, rows in batches(parts):
        similar = questions @ rows.T
        similar[own[:, None] == seqs[None, :]] = -np.inf
        scores = np.concatenate([scores, similar], axis=1)
        nearest = np.concatenate([nearest, np.broadcast_to(seqs, similar.shape)], axis=1)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :_K]
        scores, nearest = np.take_along_axis(scores, top, 1), np.take_along_axis(nearest, top, 1)
    return nearest
