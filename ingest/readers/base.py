"""What a reader gives, and how it says that it cannot."""

from dataclasses import dataclass
from typing import Protocol

_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Cells:
    """A range of a sheet. Rows and columns start at 1; the last ones belong to it."""

    top: int
    left: int
    bottom: int
    right: int

    def joined(self, other: "Cells") -> "Cells":
        """The smallest range that holds both."""
        return Cells(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def __str__(self) -> str:
        first, last = f"{_column(self.left)}{self.top}", f"{_column(self.right)}{self.bottom}"
        return first if first == last else f"{first}:{last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """From `start` on, up to the next mark, these hold. One with cells is a row; every other one begins a section."""

    start: int
    heading: str | None = None  # path of headings, outermost first, joined by " > "
    page: int | None = None  # starts at 1
    slide: int | None = None  # starts at 1
    sheet: str | None = None
    cells: Cells | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The text of one document. Marks are sorted by start; before the first one nothing is known."""

    text: str
    title: str | None = None  # None: the file has none of its own
    marks: tuple[Mark, ...] = ()
    is_markdown: bool = False
    has_lines: bool = True  # lines of the text are lines of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file inside a file: in an archive, or attached to a message. One of the last three is set."""

    name: str  # as a path below what it is inside, with POSIX separators
    data: bytes | None = None
    skipped: str | None = None
    failed: str | None = None


class ReadFailure(Exception):
    """The file should have text and it cannot be had: damaged, encrypted, over a limit, timed out."""


class Skip(Exception):
    """The file holds nothing to search: not a document, empty, binary."""


class Reader(Protocol):
    """Turns the bytes of a file into text. Same bytes, same text."""

    def read(self, data: bytes) -> Extracted:
        """The text.

        Raises:
            ReadFailure: it should have some and it cannot be had; the message says why.
            Skip: there is nothing to read; the message says why.
        """


def _column(number: int) -> str:
    """A sheet's name for a column: A, Z, AA."""
    name = ""
    while number:
        number, letter = divmod(number - 1, _LETTERS)
        name = chr(ord("A") + letter) + name
    return name
