"""An answer without documents: it passes as it is."""

from rag.cite.judge import Statement


class PlainStream:
    """The face of `StatementStream` for the bare model, whose brackets are its own."""

    def __init__(self) -> None:
        self.text = ""
        self.n_removed = 0

    def feed(self, text: str) -> list[str | Statement]:
        """The text itself."""
        self.text += text
        return [text] if text else []

    def finish(self) -> list[str | Statement]:
        """Nothing is held back."""
        return []
