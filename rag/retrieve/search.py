"""One question against one generation: by meaning, by words, or by both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag.retrieve.context import Weighted
from rag.retrieve.fuse import COSINE_WEIGHT, fuse, ranked, weighted_sum
from rag.retrieve.rerank import Reranker
from rag.store import Generation
from rag.types import Chunk, Hit

Mode = Literal["hybrid", "dense", "lexical"]

_CANDIDATES = 100  # of each ranking at least; a chunk outside of both is not found


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A question as it is searched."""

    texts: Weighted
    vector: NDArray[np.float32]  # of all texts, length 1
    readable: float  # of `readable_share`


def find(
    meant: Meant,
    generation: Generation,
    *,
    mode: Mode,
    top_k: int,
    allowed: frozenset[int] | None = None,
    reranker: Reranker | None = None,
) -> tuple[Hit, ...]:
    """The `top_k` best chunks, best first. Of chunks with the same text only the best is found. Blocks.

    allowed: numbers of the chunks that may be found; None: all. A generation without an index of words is searched
    by meaning.
    """
    wanted = max(top_k, reranker.n_read) if reranker else top_k
    n = max(_CANDIDATES, 2 * wanted)
    while True:
        scored = _scored(meant, generation, mode, n, allowed)
        chunks = list(_distinct(generation, scored, wanted))
        if len(chunks) == wanted or len(scored) < n:
            break
        n *= 4
    if reranker:
        chunks = reranker.rerank(meant.texts[0][0], chunks)
    best = chunks[:top_k]
    cosines = (generation.vectors([chunk.seq for chunk, _ in best]) @ meant.vector).tolist()
    return tuple(
        Hit(chunk=chunk, score=score, rank=rank, cosine=cosine)
        for rank, ((chunk, score), cosine) in enumerate(zip(best, cosines, strict=True), start=1)
    )


def _scored(
    meant: Meant, generation: Generation, mode: Mode, n: int, allowed: frozenset[int] | None
) -> tuple[tuple[int, float], ...]:
    if mode == "dense" or not generation.has_words:
        return generation.search(meant.vector, n, allowed)
    total = sum(weight for _, weight in meant.texts)
    words = weighted_sum(
        [(weight, generation.search_words(text, n, allowed, share=weight / total)) for text, weight in meant.texts]
    )
    if mode == "lexical":
        best = max(words.values(), default=1.0)
        return ranked({seq: score / best for seq, score in words.items()})
    cosines = dict(generation.search(meant.vector, n, allowed))
    others = [seq for seq in words if seq not in cosines]
    cosines |= zip(others, (generation.vectors(others) @ meant.vector).tolist(), strict=True)
    return fuse(cosines, words, cosine_weight=COSINE_WEIGHT * meant.readable)


def _distinct(
    generation: Generation, scored: Sequence[tuple[int, float]], wanted: int
) -> Iterator[tuple[Chunk, float]]:
    """The first `wanted` chunks that differ in text."""
    texts: set[str] = set()
    for first in range(0, len(scored), wanted):
        part = scored[first : first + wanted]
        for chunk, (_, score) in zip(generation.chunks([seq for seq, _ in part]), part, strict=True):
            if len(texts) == wanted:
                return
            if chunk.text not in texts:
                texts.add(chunk.text)
                yield chunk, score
