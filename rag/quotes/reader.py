"""One choice of an answer of quotes."""

from collections.abc import Sequence
from dataclasses import replace

from rag.ask import Choice, Piece
from rag.quotes.stream import QuoteStream
from rag.types import Citation, Delta, Logprob


class QuoteReader:
    """The face of `ChoiceReader`. Quotes need no judge, and nothing of them is in doubt.

    Each token's log probability comes with the first piece after it was written, so they run ahead of the text.
    """

    held_since = None  # a line that is not complete is no text yet

    def __init__(self, index: int, stream: QuoteStream) -> None:
        """index: of the choice. stream: reads its lines."""
        self._index = index
        self._stream = stream
        self._logprobs: list[Logprob] = []
        self._finish_reason: str | None = None

    @property
    def text(self) -> str:
        """All that the reader has by now."""
        return self._stream.text

    def feed(self, delta: Delta, now: float) -> list[Piece]:
        """The quotes that are complete by now."""
        del now
        events = self._stream.feed(delta.text)
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
            events += self._stream.finish()
        pieces = [Piece(choice=self._index, content=event) for event in events]
        self._logprobs += delta.logprobs
        if not delta.logprobs:
            return pieces
        first, *others = pieces or [Piece(choice=self._index)]
        return [replace(first, logprobs=delta.logprobs), *others]

    def judged(self, citations: Sequence[Citation]) -> list[Piece]:
        """Nothing: no statement of it awaits a judge."""
        del citations
        return []

    def let_go(self, since: float) -> list[Piece]:
        """Nothing is held back."""
        del since
        return []

    def doubts(self) -> list[tuple[str, str]]:
        """None."""
        return []

    def append(self, text: str) -> Piece:
        """Never asked for: what is without doubt has no note."""
        raise AssertionError(text)

    def choice(self) -> Choice:
        """All of it, once the engine has ended."""
        return Choice(
            finish_reason=self._finish_reason or "stop",
            text=self._stream.text,
            citations=self._stream.citations,
            logprobs=tuple(self._logprobs),
            n_quotes_dropped=self._stream.n_dropped,
            no_answer="model" if self._stream.is_empty else None,
        )
