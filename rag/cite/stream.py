"""An answer as it arrives, cut into statements."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rag.cite.judge import Statement
from rag.cite.markers import Marker, MarkerScanner
from rag.cite.statements import is_closed, is_unsettled, sentence_end, settled, statement
from rag.cite.words import words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A statement with its marker, which stands in the text behind `blanks`.

    unknown: numbers that name nothing in the prompt. They are not in the marker, unless some of it was shown before.
    n_shown: how many characters of blanks and marker were shown before it was known to be one.
    """

    statement: Statement
    blanks: str
    unknown: tuple[int, ...]
    n_shown: int

    @property
    def is_fixed(self) -> bool:
        """Whether the marker can no longer be changed: the reader has seen some of it."""
        return self.n_shown > len(self.blanks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A marker that names nothing in the prompt: `text` behind `blanks`, neither of them in the text, which is at `at`.

    n_shown: as of `Marked`; beyond the blanks, the marker has to stay where it is.
    """

    at: int
    text: str
    blanks: str
    numbers: tuple[int, ...]
    n_shown: int

    @property
    def is_fixed(self) -> bool:
        """Whether the reader has seen some of it."""
        return self.n_shown > len(self.blanks)


StreamEvent = str | Statement | Marked | Unknown


class StatementStream:
    """Answer text as it arrives -> text that may be shown now, markers, and statements as soon as they end.

    Offsets are of `text`, the answer without unknown markers. Statements do not depend on the pieces in which the text
    comes, nor on what was released before it was certain.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        """numbers: those that a marker may name."""
        self.text = ""
        self._numbers = numbers
        self._scanner = MarkerScanner()
        self._n_read = 0
        self._n_shown = 0  # characters behind `text` that were shown before it was certain what they are
        self._open = 0  # where the sentence begins, or what is left of it after its last marker
        self._settled = 0  # from where in `text` an end of sentence may yet turn up
        self._has_marker = False  # the open sentence has one already
        self._marked: tuple[int, int] | None = None  # the statement of the marker that ends at `_open`
        self._removed_blanks = ""  # what stood before a removed marker, for one that follows directly

    @property
    def unsure_at(self) -> int | None:
        """Where in all that was fed a possible marker begins that is held back; None: none is."""
        held = self._scanner.held
        return None if not held or self._is_begun() else self._n_read - len(held)

    def feed(self, text: str) -> list[StreamEvent]:
        """What is certain by now: text to show and statements in it."""
        self._n_read += len(text)
        events = [event for found in self._scanner.feed(text) for event in self._take(found)]
        return events + self.release() if self._is_begun() else events

    def release(self) -> list[StreamEvent]:
        """What is held back of a possible marker, to be shown although it may turn out to be one."""
        held = self._scanner.blanks + self._scanner.held
        new, self._n_shown = held[self._n_shown :], len(held)
        return [new] if new else []

    def finish(self) -> list[StreamEvent]:
        """The rest. Nothing may be fed afterwards."""
        events = [event for found in self._scanner.finish() for event in self._take(found)]
        return events + list(self._end_sentence(len(self.text)))

    def _is_begun(self) -> bool:
        """Whether some of the possible marker is shown: no use in holding back the rest."""
        return self._n_shown > len(self._scanner.blanks)

    def _take(self, found: str | Marker) -> Iterator[StreamEvent]:
        if isinstance(found, str):
            self._removed_blanks = ""
            yield from self._take_text(found)
            return
        n_shown, self._n_shown = self._n_shown, 0
        is_fixed = n_shown > len(found.blanks)
        known = found.only(self._numbers)
        unknown = tuple(number for number in found.numbers if number not in self._numbers)
        if known is None:
            yield Unknown(at=len(self.text), text=found.text, blanks=found.blanks, numbers=unknown, n_shown=n_shown)
            self._removed_blanks = "" if is_fixed else found.blanks[n_shown:] or self._removed_blanks
            return
        blanks = found.blanks or ("" if is_fixed else self._removed_blanks)
        self._removed_blanks = ""
        text = found.text if is_fixed else known.text
        yield Marked(statement=self._mark(text, known.numbers, blanks), blanks=blanks, unknown=unknown, n_shown=n_shown)

    def _take_text(self, text: str) -> Iterator[StreamEvent]:
        search_from = max(self._settled, self._open)
        at = len(self.text)
        self.text += text
        if self._settled == at or not is_unsettled(text):
            self._settled = at + settled(text)
        new, self._n_shown = text[self._n_shown :], max(0, self._n_shown - len(text))
        if new:
            yield new
        if text.isspace():
            return  # only something visible ends a sentence
        while (end := sentence_end(self.text, self._open, search_from)) is not None:
            yield from self._end_sentence(end)
            search_from = end

    def _mark(self, text: str, numbers: tuple[int, ...], blanks: str) -> Statement:
        """The statement of a marker, which is put behind it."""
        sentence = self.text[self._open :]
        marker_start = len(self.text) + len(blanks)
        start, end = self._statement_before(sentence) or (marker_start, marker_start)
        self.text += blanks + text
        self._has_marker = (self._has_marker or self._marked != (start, end)) and not is_closed(sentence)
        self._open = len(self.text)
        self._marked = (start, end)
        return Statement(
            start=start,
            end=end,
            text=self.text[start:end],
            marker=text,
            marker_start=marker_start,
            marker_end=len(self.text),
            numbers=numbers,
        )

    def _statement_before(self, sentence: str) -> tuple[int, int] | None:
        """The statement that a marker after `sentence` stands for; None if nothing was said."""
        if self._marked is not None and "\n" not in sentence and not words_of(sentence).content:
            return self._marked
        return statement(self.text, self._open, len(self.text))

    def _end_sentence(self, end: int) -> Iterator[Statement]:
        span = statement(self.text, self._open, end)
        if span is not None and not self._has_marker:
            start, stop = span
            yield Statement(
                start=start,
                end=stop,
                text=self.text[start:stop],
                marker="",
                marker_start=stop,
                marker_end=stop,
                numbers=(),
            )
        self._open = end
        self._has_marker = False
        self._marked = None
