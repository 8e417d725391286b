"""One question against one generation: by meaning, by words, or by both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag.retrieve.context import Weighted
from rag.retrieve.fuse import COSINE_WEIGHT, fuse, ranked, weighted_sum
from rag.retrieve.rerank import Reranker
from rag.store import Generation
from rag.types import Chunk, Hit, Match

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
        found = _found(meant, generation, mode, n, allowed)
        chunks = list(_distinct(generation, found.scored, wanted))
        if len(chunks) == wanted or len(found.scored) < n:
            break
        n *= 4
    if reranker:
        chunks = reranker.rerank(meant.texts[0][0], chunks)
    best = chunks[:top_k]
    cosines = (generation.vectors([chunk.seq for chunk, _ in best]) @ meant.vector).tolist()
    return tuple(
        Hit(chunk=chunk, score=score, rank=rank, cosine=cosine, match=found.match(chunk.seq))
        for rank, ((chunk, score), cosine) in enumerate(zip(best, cosines, strict=True), start=1)
    )


class _Found:
    """What one or two searches found."""

    def __init__(
        self,
        scored: Sequence[tuple[int, float]],
        *,
        by_meaning: Sequence[tuple[int, float]] = (),
        by_words: Mapping[int, float] = MappingProxyType({}),
        meaning_weight: float,
    ) -> None:
        self.scored = scored
        self._meaning_ranks = {seq: rank for rank, (seq, _) in enumerate(by_meaning, start=1)}
        self._words_ranks = {seq: rank for rank, (seq, _) in enumerate(ranked(by_words), start=1)}
        self._by_words = by_words
        self._best = max(by_words.values(), default=0.0)
        self._meaning_weight = meaning_weight if self._best > 0 else 1.0

    def match(self, seq: int) -> Match:
        return Match(
            meaning_rank=self._meaning_ranks.get(seq),
            words_rank=self._words_ranks.get(seq),
            meaning_weight=self._meaning_weight,
            words_share=self._by_words.get(seq, 0.0) / self._best if self._best > 0 else 0.0,
        )


def _found(meant: Meant, generation: Generation, mode: Mode, n: int, allowed: frozenset[int] | None) -> _Found:
    if mode == "dense" or not generation.has_words:
        by_meaning = generation.search(meant.vector, n, allowed)
        return _Found(by_meaning, by_meaning=by_meaning, meaning_weight=1.0)
    total = sum(weight for _, weight in meant.texts)
    words = weighted_sum(
        [(weight, generation.search_words(text, n, allowed, share=weight / total)) for text, weight in meant.texts]
    )
    if mode == "lexical":
        best = max(words.values(), default=1.0)
        by_share = ranked({seq: score / best for seq, score in words.items()})
        return _Found(by_share, by_words=words, meaning_weight=0.0)
    by_meaning = generation.search(meant.vector, n, allowed)
    cosines = dict(by_meaning)
    others = [seq for seq in words if seq not in cosines]
    cosines |= zip(others, (generation.vectors(others) @ meant.vector).tolist(), strict=True)
    weight = COSINE_WEIGHT * meant.readable
    scored = fuse(cosines, words, cosine_weight=weight)
    return _Found(scored, by_meaning=by_meaning, by_words=words, meaning_weight=weight)


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
