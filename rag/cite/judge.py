"""What the documents in a prompt say to a statement of the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rag.cite.align import LIMITS, Embed, Limits, Match, Source, Verdict, align_in
from rag.cite.statements import is_question
from rag.cite.surroundings import Around, Surroundings, alone
from rag.cite.words import Words, words_of
from rag.types import Citation, Problem, Shown, Status

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

    def __init__(
        self,
        shown: Sequence[Shown],
        *,
        around: Around = alone,
        embed: Embed | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """shown: the passages in the prompt.

        around: what stands about a passage in its document; asked for where a passage does not support what cites it.
        embed: rows of length 1 for texts; asked for when the words differ. Either may block.
        """
        self._around = around
        self._embed = embed
        self._limits = limits
        self._chunks = {one.number: one.chunk for one in sorted(shown, key=lambda one: one.number)}
        self._sources = {number: Source(chunk.text, chunk.title) for number, chunk in self._chunks.items()}
        self._wider: dict[int, tuple[Surroundings, Source]] = {}

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
        return tuple(citation for number in statement.numbers for citation in self._marked(statement, words, number))

    def _marked(self, statement: Statement, words: Words, number: int) -> tuple[Citation, ...]:
        """What the passage says, or else its neighbours in the document."""
        verdict = self._align(statement, words, self._sources[number], embed=self._embed)
        if verdict.matches:
            return self._citations(statement, number, verdict)
        surroundings, wider = self._surroundings(number)
        if len(surroundings.text) > len(self._chunks[number].text):
            beside = self._align(statement, words, wider)
            if beside.matches:
                return self._citations(statement, number, beside, surroundings)
        if verdict.problem is Problem.UNSUPPORTED and self._is_told_elsewhere(statement, words, number):
            verdict = replace(verdict, problem=Problem.WRONG_DOCUMENT)
        return self._citations(statement, number, verdict)

    def _align(self, statement: Statement, words: Words, source: Source, *, embed: Embed | None = None) -> Verdict:
        return align_in(statement.text, words, source, self._limits.marked, self._limits, embed)

    def _surroundings(self, number: int) -> tuple[Surroundings, Source]:
        if number not in self._wider:
            chunk = self._chunks[number]
            surroundings = self._around(chunk)
            self._wider[number] = surroundings, Source(surroundings.text, chunk.title)
        return self._wider[number]

    def _is_told_elsewhere(self, statement: Statement, words: Words, number: int) -> bool:
        """Whether another document in the prompt says it."""
        document, share = self._chunks[number].document, self._limits.unmarked
        return len(words.content) >= _MIN_WORDS_UNMARKED and any(
            source.may_cover(words, share) and align_in(statement.text, words, source, share, self._limits).matches
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

    def _citations(
        self, statement: Statement, number: int, verdict: Verdict, surroundings: Surroundings | None = None
    ) -> tuple[Citation, ...]:
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
        place = surroundings or alone(chunk)
        return tuple(_supported(bare, match, place) for match in verdict.matches) or (bare,)


def _supported(bare: Citation, match: Match, place: Surroundings) -> Citation:
    start = place.start + match.start
    return replace(
        bare,
        status=match.status,
        source_start=start,
        source_end=place.start + match.end,
        quote=place.text[match.start : match.end],
        anchor=place.anchor(start),
    )
