"""What the documents in a prompt say to a statement of the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rag.cite.align import Match, Source, align_in, may_cover
from rag.cite.statements import is_question
from rag.cite.words import words_of
from rag.types import Anchor, Chunk, Citation, Problem, Shown, Status

# What a statement without a marker needs to be given a source all the same.
_MIN_SCORE_UNMARKED = 0.75
_MIN_WORDS_UNMARKED = 4
_RANKS = {Status.FUZZY: 0, Status.NORMALIZED: 1, Status.EXACT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`start:end` of an answer, whose words are `text`, and the marker behind it.

    Without a marker, `marker` and `numbers` are empty and `marker_start:marker_end` is empty at the statement's end.
    """

    start: int
    end: int
    text: str
    marker: str
    marker_start: int
    marker_end: int
    numbers: tuple[int, ...]  # of passages in the prompt


class Judge:
    """Statements of one answer -> citations, each checked against its source. Blocks; one thread at a time."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        """shown: the passages in the prompt."""
        self._chunks = {one.number: one.chunk for one in sorted(shown, key=lambda one: one.number)}
        self._sources = {number: Source(chunk.text) for number, chunk in self._chunks.items()}

    @property
    def numbers(self) -> Collection[int]:
        """The numbers that a marker may name."""
        return self._chunks.keys()

    def citations(self, statement: Statement) -> tuple[Citation, ...]:
        """One for each number of the marker; without a marker, at most one."""
        if not statement.marker:
            found = self._unmarked(statement)
            return () if found is None else (found,)
        words = words_of(statement.text)
        return tuple(
            _citation(statement, self._chunks[number], align_in(statement.text, words, self._sources[number]))
            for number in statement.numbers
        )

    def _unmarked(self, statement: Statement) -> Citation | None:
        """The best source of a statement that names none; None where there is doubt."""
        words = words_of(statement.text)
        if len(words.content) < _MIN_WORDS_UNMARKED or is_question(statement.text):
            return None
        best: tuple[tuple[int, float], int, Match] | None = None
        for number, source in self._sources.items():
            if not may_cover(words, source, _MIN_SCORE_UNMARKED):
                continue  # most chunks
            match = align_in(statement.text, words, source)
            if match is None or match.score < _MIN_SCORE_UNMARKED:
                continue
            rank = (_RANKS[match.status], match.score)
            if best is None or rank > best[0]:
                best = (rank, number, match)
            if match.status == Status.EXACT:
                break  # nothing is better
        return None if best is None else _citation(statement, self._chunks[best[1]], best[2])


def _citation(statement: Statement, chunk: Chunk, match: Match | None) -> Citation:
    unsupported = Citation(
        marker=statement.marker,
        start=statement.start,
        end=statement.end,
        marker_start=statement.marker_start,
        marker_end=statement.marker_end,
        chunk=chunk,
        status=Status.UNSUPPORTED,
    )
    if match is None:
        return replace(unsupported, problem=Problem.UNSUPPORTED)
    return replace(
        unsupported,
        status=match.status,
        source_start=chunk.start + match.start,
        source_end=chunk.start + match.end,
        quote=chunk.text[match.start : match.end],
        anchor=_anchor(chunk, match.start),
    )


def _anchor(chunk: Chunk, offset: int) -> Anchor:
    if chunk.anchor.line is None:
        return chunk.anchor
    return replace(chunk.anchor, line=chunk.anchor.line + chunk.text.count("\n", 0, offset))
