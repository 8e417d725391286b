"""The path of headings at a point of a document."""


class Outline:
    """Headings that are open, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, name: str) -> str | None:
        """The path after a heading of this level (1 is outermost), joined by " > "; None if all names are empty."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, name))
        return " > ".join(each for _, each in self._open if each) or None
