"""Lines that a model writes, turned into quotes that were checked."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from rag.quotes.offer import Offer, Quotable
from rag.types import Citation, Status


class QuoteStream:
    """Text of an engine -> quotes and their citations, each as soon as its line is complete.

    A line that is none of those offered is dropped, whatever the engine was told: nothing else is ever shown. Without
    any quote, the answer is that there is none.

    n_dropped: lines that were no quotes. is_empty: nothing was quoted.
    """

    def __init__(self, offer: Offer, nothing: str, *, admits: Callable[[str], bool]) -> None:
        """nothing: said where nothing is quoted. admits: whether a line says that nothing answers."""
        self.text = ""
        self.citations: tuple[Citation, ...] = ()
        self.n_dropped = 0
        self._offer = offer
        self._nothing = nothing
        self._admits = admits
        self._line = ""
        self._quoted: set[str] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was quoted so far."""
        return not self.citations

    def feed(self, text: str) -> list[str | Citation]:
        """Quotes that are complete by now, each followed by its citation."""
        *ended, self._line = (self._line + text).split("\n")
        return [event for line in ended for event in self._take(line)]

    def finish(self) -> list[str | Citation]:
        """The last one. Nothing may be fed afterwards."""
        events = list(self._take(self._line))
        self._line = ""
        if self.is_empty:
            self.text = self._nothing
            events.append(self._nothing)
        return events

    def _take(self, line: str) -> Iterator[str | Citation]:
        line = line.strip()
        if not line or line in self._quoted:
            return  # said once is enough
        quotable = self._offer.quotables.get(line)
        if quotable is None:
            self.n_dropped += not self._admits(line)
            return
        self._quoted.add(line)
        marker = f"[{quotable.number}]"
        said = f'{chr(10) if self.text else ""}"{quotable.text}" {marker}'
        self.text += said
        citation = self._citation(quotable, marker)
        self.citations += (citation,)
        yield said
        yield citation

    def _citation(self, quotable: Quotable, marker: str) -> Citation:
        chunk, marker_end = quotable.chunk, len(self.text)
        marker_start = marker_end - len(marker)
        end = marker_start - len('" ')
        anchor = chunk.anchor
        if anchor.line is not None:
            anchor = replace(anchor, line=anchor.line + chunk.text.count("\n", 0, quotable.start))
        return Citation(
            marker=marker,
            start=end - len(quotable.text),
            end=end,
            marker_start=marker_start,
            marker_end=marker_end,
            chunk=chunk,
            status=Status.EXACT,
            source_start=chunk.start + quotable.start,
            source_end=chunk.start + quotable.end,
            quote=quotable.text,
            anchor=anchor,
        )
