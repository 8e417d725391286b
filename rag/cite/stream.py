"""An answer as it arrives, with the source of each statement."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rag.cite.align import Match, Source, align_in, may_cover
from rag.cite.markers import Marker, MarkerScanner
from rag.cite.statements import is_closed, is_question, sentence_end, settled, statement
from rag.cite.words import words_of
from rag.types import Anchor, Chunk, Citation, Shown, Status

# What a statement without a marker needs to be given a source all the same.
_MIN_SCORE_UNMARKED = 0.75
_MIN_WORDS_UNMARKED = 4
_RANKS = {Status.FUZZY: 0, Status.NORMALIZED: 1, Status.EXACT: 2}


class CitationStream:
    """Answer text as it arrives -> text that may be shown now, and citations as soon as their statement ends.

    n_removed: numbers in markers that named nothing in the prompt; they are not in `text`, the answer as emitted.
    The result does not depend on the pieces in which the text comes.
    """

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.text = ""
        self.n_removed = 0
        self.citations: tuple[Citation, ...] = ()
        self._scanner = MarkerScanner()
        self._chunks = {one.number: one.chunk for one in sorted(shown, key=lambda one: one.number)}
        self._sources = {number: Source(chunk.text) for number, chunk in self._chunks.items()}
        self._open = 0  # where the sentence begins, or what is left of it after its last marker
        self._has_marker = False  # the open sentence has one already
        self._marked: tuple[int, int] | None = None  # the statement of the marker that ends at `_open`
        self._removed_blanks = ""  # what stood before a removed marker, for one that follows directly

    def feed(self, text: str) -> list[str | Citation]:
        """What is certain by now: text to show and citations of statements in it."""
        return self._kept(event for found in self._scanner.feed(text) for event in self._take(found))

    def finish(self) -> list[str | Citation]:
        """The rest. Nothing may be fed afterwards."""
        events = self._kept(event for found in self._scanner.finish() for event in self._take(found))
        return events + self._kept(self._end_sentence(len(self.text)))

    def _kept(self, events: Iterable[str | Citation]) -> list[str | Citation]:
        kept = list(events)
        self.citations += tuple(event for event in kept if isinstance(event, Citation))
        return kept

    def _take(self, found: str | Marker) -> Iterator[str | Citation]:
        if isinstance(found, str):
            self._removed_blanks = ""
            yield from self._take_text(found)
            return
        marker = found.only(self._chunks)
        self.n_removed += len(found.numbers) - (len(marker.numbers) if marker else 0)
        if marker is None:
            self._removed_blanks = found.blanks or self._removed_blanks
            return
        yield from self._take_marker(marker, marker.blanks or self._removed_blanks)
        self._removed_blanks = ""

    def _take_text(self, text: str) -> Iterator[str | Citation]:
        search_from = settled(self.text, self._open)
        self.text += text
        yield text
        while (end := sentence_end(self.text, self._open, search_from)) is not None:
            yield from self._end_sentence(end)
            search_from = end

    def _take_marker(self, marker: Marker, blanks: str) -> Iterator[str | Citation]:
        sentence = self.text[self._open :]
        marker_start = len(self.text) + len(blanks)
        start, end = self._statement_before(sentence) or (marker_start, marker_start)
        self.text += blanks + marker.text
        yield blanks + marker.text
        said = self.text[start:end]
        words = words_of(said)
        for number in marker.numbers:
            match = align_in(said, words, self._sources[number])
            at = (start, end, marker_start, len(self.text))
            yield _citation(marker.text, at, self._chunks[number], match)
        self._has_marker = (self._has_marker or self._marked != (start, end)) and not is_closed(sentence)
        self._open = len(self.text)
        self._marked = (start, end)

    def _statement_before(self, sentence: str) -> tuple[int, int] | None:
        """The statement that a marker after `sentence` stands for; None if nothing was said."""
        if self._marked is not None and "\n" not in sentence and not words_of(sentence).content:
            return self._marked
        return statement(self.text, self._open, len(self.text))

    def _end_sentence(self, end: int) -> Iterator[Citation]:
        span = statement(self.text, self._open, end)
        if span is not None and not self._has_marker and (citation := self._unmarked(*span)) is not None:
            yield citation
        self._open = end
        self._has_marker = False
        self._marked = None

    def _unmarked(self, start: int, end: int) -> Citation | None:
        """The best source of a statement that names none; None where there is doubt."""
        said = self.text[start:end]
        words = words_of(said)
        if len(words.content) < _MIN_WORDS_UNMARKED or is_question(said):
            return None
        best: tuple[tuple[int, float], int, Match] | None = None
        for number, source in self._sources.items():
            if not may_cover(words, source, _MIN_SCORE_UNMARKED):
                continue  # most chunks
            match = align_in(said, words, source)
            if match is None or match.score < _MIN_SCORE_UNMARKED:
                continue
            rank = (_RANKS[match.status], match.score)
            if best is None or rank > best[0]:
                best = (rank, number, match)
            if match.status == Status.EXACT:
                break  # nothing is better
        return None if best is None else _citation("", (start, end, end, end), self._chunks[best[1]], best[2])


def _citation(marker: str, at: tuple[int, int, int, int], chunk: Chunk, match: Match | None) -> Citation:
    """A citation; `at` is start and end of the statement, then of the marker."""
    start, end, marker_start, marker_end = at
    unsupported = Citation(
        marker=marker,
        start=start,
        end=end,
        marker_start=marker_start,
        marker_end=marker_end,
        chunk=chunk,
        status=Status.UNSUPPORTED,
    )
    if match is None:
        return unsupported
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
