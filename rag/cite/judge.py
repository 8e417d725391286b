"""What the documents in a prompt say to a statement of the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rag.cite.align import LIMITS, Limits, Match, Source, Verdict, align_in
from rag.cite.statements import is_question
from rag.cite.words import Words, words_of
from rag.types import Anchor, Chunk, Citation, Problem, Shown, Status

_MIN_WORDS_UNMARKED = 4  # that a statement without a marker needs to be given a source all the same
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

    def __init__(self, shown: Sequence[Shown], *, limits: Limits = LIMITS) -> None:
        """shown: the passages in the prompt."""
        self._limits = limits
        self._chunks = {one.number: one.chunk for one in sorted(shown, key=lambda one: one.number)}
        self._sources = {number: Source(chunk.text, chunk.title) for number, chunk in self._chunks.items()}

    @property
    def numbers(self) -> Collection[int]:
        """The numbers that a marker may name."""
        return self._chunks.keys()

    def citations(self, statement: Statement) -> tuple[Citation, ...]:
        """For each number of the marker one for every span that supports the statement, or one that says why not.

        Without a marker those of the best source, or of the one that contradicts the statement, if there is one.
        """
        words = words_of(statement.text)
        if not statement.marker:
            return self._unmarked(statement, words)
        return tuple(
            citation
            for number in statement.numbers
            for citation in self._citations(statement, number, self._verdict(statement, words, number))
        )

    def _verdict(self, statement: Statement, words: Words, number: int) -> Verdict:
        verdict = align_in(statement.text, words, self._sources[number], self._limits.marked, self._limits)
        if verdict.problem is Problem.UNSUPPORTED and self._says_another(statement, words, number):
            return replace(verdict, problem=Problem.WRONG_DOCUMENT)
        return verdict

    def _says_another(self, statement: Statement, words: Words, number: int) -> bool:
        """Whether another document in the prompt says it."""
        if len(words.content) < _MIN_WORDS_UNMARKED:
            return False
        document = self._chunks[number].document
        return any(
            source.may_cover(words, self._limits.unmarked)
            and align_in(statement.text, words, source, self._limits.unmarked, self._limits).matches
            for other, source in self._sources.items()
            if self._chunks[other].document != document
        )

    def _unmarked(self, statement: Statement, words: Words) -> tuple[Citation, ...]:
        if len(words.content) < _MIN_WORDS_UNMARKED or is_question(statement.text):
            return ()
        best: tuple[tuple[bool, int, float], int, Verdict] | None = None
        for number, source in self._sources.items():
            if not source.may_cover(words, min(self._limits.unmarked, self._limits.near) - 0.15):
                continue  # most chunks
            verdict = align_in(statement.text, words, source, self._limits.unmarked, self._limits)
            if verdict.problem is Problem.UNSUPPORTED:
                continue
            status = _RANKS[verdict.matches[0].status] if verdict.matches else 0
            rank = (bool(verdict.matches), status, verdict.score)
            if best is None or rank > best[0]:
                best = (rank, number, verdict)
            if status == _RANKS[Status.EXACT]:
                break  # nothing is better
        return () if best is None else self._citations(statement, best[1], best[2])

    def _citations(self, statement: Statement, number: int, verdict: Verdict) -> tuple[Citation, ...]:
        chunk = self._chunks[number]
        bare = Citation(
            marker=statement.marker,
            start=statement.start,
            end=statement.end,
            marker_start=statement.marker_start,
            marker_end=statement.marker_end,
            chunk=chunk,
            status=Status.UNSUPPORTED,
            problem=verdict.problem,
        )
        return tuple(_supported(bare, match) for match in verdict.matches) or (bare,)


def _supported(bare: Citation, match: Match) -> Citation:
    chunk = bare.chunk
    return replace(
        bare,
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
