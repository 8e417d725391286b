"""An answer as it arrives, cut into statements."""

from collections.abc import Collection, Iterator

from rag.cite.judge import Statement
from rag.cite.markers import Marker, MarkerScanner
from rag.cite.statements import is_closed, sentence_end, settled, statement
from rag.cite.words import words_of


class StatementStream:
    """Answer text as it arrives -> text that may be shown now, and statements as soon as they end.

    n_removed: numbers in markers that named nothing in the prompt; they are not in `text`, the answer as emitted.
    The result does not depend on the pieces in which the text comes.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        """numbers: those that a marker may name."""
        self.text = ""
        self.n_removed = 0
        self._numbers = numbers
        self._scanner = MarkerScanner()
        self._open = 0  # where the sentence begins, or what is left of it after its last marker
        self._has_marker = False  # the open sentence has one already
        self._marked: tuple[int, int] | None = None  # the statement of the marker that ends at `_open`
        self._removed_blanks = ""  # what stood before a removed marker, for one that follows directly

    def feed(self, text: str) -> list[str | Statement]:
        """What is certain by now: text to show and statements in it."""
        return [event for found in self._scanner.feed(text) for event in self._take(found)]

    def finish(self) -> list[str | Statement]:
        """The rest. Nothing may be fed afterwards."""
        events = [event for found in self._scanner.finish() for event in self._take(found)]
        return events + list(self._end_sentence(len(self.text)))

    def _take(self, found: str | Marker) -> Iterator[str | Statement]:
        if isinstance(found, str):
            self._removed_blanks = ""
            yield from self._take_text(found)
            return
        marker = found.only(self._numbers)
        self.n_removed += len(found.numbers) - (len(marker.numbers) if marker else 0)
        if marker is None:
            self._removed_blanks = found.blanks or self._removed_blanks
            return
        yield from self._take_marker(marker, marker.blanks or self._removed_blanks)
        self._removed_blanks = ""

    def _take_text(self, text: str) -> Iterator[str | Statement]:
        search_from = settled(self.text, self._open)
        self.text += text
        yield text
        while (end := sentence_end(self.text, self._open, search_from)) is not None:
            yield from self._end_sentence(end)
            search_from = end

    def _take_marker(self, marker: Marker, blanks: str) -> Iterator[str | Statement]:
        sentence = self.text[self._open :]
        marker_start = len(self.text) + len(blanks)
        start, end = self._statement_before(sentence) or (marker_start, marker_start)
        self.text += blanks + marker.text
        yield blanks + marker.text
        yield Statement(
            start=start,
            end=end,
            text=self.text[start:end],
            marker=marker.text,
            marker_start=marker_start,
            marker_end=len(self.text),
            numbers=marker.numbers,
        )
        self._has_marker = (self._has_marker or self._marked != (start, end)) and not is_closed(sentence)
        self._open = len(self.text)
        self._marked = (start, end)

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
