"""How good a ranking is. Pure."""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

TOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Means over questions."""

    ndcg: float  # of the first ten
    recall: float  # share of the gold passages among the first ten


def quality(ranked: Sequence[int], gold: AbstractSet[int]) -> Quality:
    """Of one question whose gold passages all count the same. gold: not empty."""
    found = [place for place, seq in enumerate(ranked[:TOP]) if seq in gold]
    best = sum(_gain(place) for place in range(min(len(gold), TOP)))
    return Quality(ndcg=sum(map(_gain, found)) / best, recall=len(found) / len(gold))


def mean(each: Sequence[Quality]) -> Quality:
    """Of several questions; zeros for none."""
    n = max(len(each), 1)
    return Quality(ndcg=sum(one.ndcg for one in each) / n, recall=sum(one.recall for one in each) / n)


def _gain(place: int) -> float:
    return 1 / math.log2(place + 2)
