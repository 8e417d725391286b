"""Two rankings made one. Pure."""

from collections.abc import Mapping, Sequence

# What the cosine counts; the rest is for words. Chosen among 0.7, 0.75 and 0.8 on one half of the questions of nine
# sets; docs/retrieval.md has the other. Reciprocal ranks lost up to 0.09 nDCG where one ranking is much the better.
COSINE_WEIGHT = 0.7


def fuse(
    cosines: Mapping[int, float], words: Mapping[int, float], *, cosine_weight: float
) -> tuple[tuple[int, float], ...]:
    """Every chunk of either with one score, 0 to 1, best first; equal scores by number.

    The score is the cosine times its weight, and the rest times the share that the chunk has of the best score by
    words. cosines: of all chunks, those found by words alone too. Without any words found, scores are cosines.
    """
    best = max(words.values(), default=0.0)
    weight = cosine_weight if best > 0 else 1.0
    scores = {
        seq: weight * min(max(cosine, 0.0), 1.0) + (1 - weight) * (words.get(seq, 0.0) / best if best > 0 else 0.0)
        for seq, cosine in cosines.items()
    }
    return ranked(scores)


def ranked(scores: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    """Numbers and scores, best first; equal scores by number."""
    return tuple(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def weighted_sum(found: Sequence[tuple[float, Sequence[tuple[int, float]]]]) -> dict[int, float]:
    """The scores of several searches added up, each times its weight."""
    total: dict[int, float] = {}
    for weight, pairs in found:
        for seq, score in pairs:
            total[seq] = total.get(seq, 0.0) + weight * score
    return total
