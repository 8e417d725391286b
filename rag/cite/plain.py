"""An answer without documents: it passes as it is."""

from rag.cite.stream import StreamEvent


class PlainStream:
    """The face of `StatementStream` for the bare model, whose brackets are its own."""

    unsure_at = None

    def feed(self, text: str) -> list[StreamEvent]:
        """The text itself."""
        return [text] if text else []

    def release(self) -> list[StreamEvent]:
        """Nothing is held back."""
        return []

    def finish(self) -> list[StreamEvent]:
        """Nothing is held back."""
        return []
