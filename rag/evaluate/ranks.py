"""How well a ranked list finds what it should. Binary or graded relevance, ranks from 1."""

import math
from collections.abc import Mapping, Sequence


def recall(ranked: Sequence[str], gold: Mapping[str, int], k: int) -> float:
    """The share of the gold passages among the first `k`."""
    return len(set(ranked[:k]) & gold.keys()) / len(gold)


def reciprocal_rank(ranked: Sequence[str], gold: Mapping[str, int]) -> float:
    """One by the rank of the first gold passage; 0 if there is none."""
    return next((1 / rank for rank, name in enumerate(ranked, start=1) if name in gold), 0.0)


def ndcg(ranked: Sequence[str], gold: Mapping[str, int], k: int) -> float:
    """The discounted gain of the first `k`, as a share of the best order's. The gain is the grade, as in trec_eval."""
    best = _gain(sorted(gold.values(), reverse=True)[:k])
    return _gain([gold.get(name, 0) for name in ranked[:k]]) / best


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
