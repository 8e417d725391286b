"""What a question of a conversation is searched with: itself, and what it follows. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Of a follow-up question's own weight, what the question before it and the conversation's first one add to it.
CONTEXT = 0.3

Weighted = tuple[tuple[str, float], ...]  # texts and what each counts; the question itself is the first


def in_context(questions: Sequence[str]) -> Weighted:
    """What the last of a conversation's questions is searched with; nothing if it is empty.

    "And how much is that?" so finds its subject. The prompt is not touched.

    Source: on 230 follow-ups of mtrag, recall at 3 of vectors rose from 0.636 to 0.715 (0.650 with the rewrites of
    that set's authors) and at 10 from 0.828 to 0.893 (all-MiniLM-L6-v2, 2026-11); of words with the same weights, on
    that set among eight others, from 0.777 to 0.814.
    """
    *before, last = questions
    if not last.strip():
        return ()
    weights = {last: 1.0}
    for question in (before[0], before[-1]) if before else ():
        if question.strip():
            weights[question] = weights.get(question, 0.0) + CONTEXT
    return tuple(weights.items())


def mean_vector(weighted: Weighted, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The vector of length 1 in the direction of these texts together."""
    total: NDArray[np.float32] = np.stack([np.float32(weight) * vectors[text] for text, weight in weighted]).sum(axis=0)
    return total / np.float32(np.linalg.norm(total))
