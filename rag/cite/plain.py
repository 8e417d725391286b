"""An answer without documents: it passes as it is."""

from rag.types import Citation


class PlainStream:
    """The face of `CitationStream` for the bare model, whose brackets are its own."""

    def __init__(self) -> None:
        self.text = ""
        self.n_removed = 0
        self.citations: tuple[Citation, ...] = ()

    def feed(self, text: str) -> list[str | Citation]:
        """The text itself."""
        self.text += text
        return [text] if text else []

    def finish(self) -> list[str | Citation]:
        """Nothing is held back."""
        return []
