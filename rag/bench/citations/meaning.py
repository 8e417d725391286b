"""What embeddings add where the words do not support a marker, by the cosine that is asked for."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from rag.bench.citations.cases import Case
from rag.bench.citations.run import statements_of
from rag.cite.align import LIMITS, Embed, Source, align_in
from rag.cite.words import words_of
from rag.types import Chunk, Problem

_COSINES = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeaningCurve:
    """Statements that the words of a passage do not support, and how many its meaning does."""

    n_gold: int  # held against the passage that they are from
    n_wrong: int  # held against the best of the others
    points: tuple[tuple[float, int, int], ...]  # cosine, supported by the gold passage, by the wrong one
    cpu_p50_ms: float  # of one statement: its vector and those of a passage's sentences, none kept

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def meaning_curve(cases: Sequence[Case], embed: Embed) -> MeaningCurve:
    """Each statement with a marker of its own passage, and with one of the nearest other."""
    gold = [pair for case in cases for pair in _unsupported(case, case.gold)]
    wrong = [
        pair
        for case in cases
        for other in [chunk for chunk in case.passages if chunk != case.gold][:1]
        for pair in _unsupported(case, other)
    ]
    times: list[float] = []
    by_gold, by_wrong = ([_highest(*pair, embed, times) for pair in pairs] for pairs in (gold, wrong))
    points = tuple(
        (least, sum(value >= least for value in by_gold), sum(value >= least for value in by_wrong))
        for least in _COSINES
    )
    cpu_p50_ms = float(np.median(times)) if times else 0.0
    return MeaningCurve(n_gold=len(gold), n_wrong=len(wrong), points=points, cpu_p50_ms=cpu_p50_ms)


def _unsupported(case: Case, chunk: Chunk) -> Iterator[tuple[str, Chunk]]:
    """The statements that `chunk` neither supports nor contradicts by its words."""
    for statement in statements_of(case):
        words = words_of(statement.text)
        verdict = align_in(statement.text, words, Source(chunk.text, chunk.title), LIMITS.marked)
        if verdict.problem is Problem.UNSUPPORTED and words.content:
            yield statement.text, chunk


def _highest(statement: str, chunk: Chunk, embed: Embed, times: list[float]) -> float:
    """The highest of `_COSINES` at which the meaning of `chunk` supports the statement; 0 if none does."""
    source, words = Source(chunk.text, chunk.title), words_of(statement)
    texts = [statement, *(source.text[each.start : each.end] for each in source.sentences)]
    began = time.process_time()
    vectors = embed(texts)
    times.append((time.process_time() - began) * 1000)
    rows = dict(zip(texts, vectors, strict=True))
    for least in reversed(_COSINES):
        limits = replace(LIMITS, meaning=least)
        if align_in(
            statement, words, source, limits.marked, limits, lambda asked: np.stack([rows[text] for text in asked])
        ).matches:
            return least
    return 0.0
