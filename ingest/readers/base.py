"""What a reader gives, and how it says that it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """From `start` on, up to the next mark, this heading and page hold."""

    start: int
    heading: str | None = None  # path of headings, outermost first, joined by " > "
    page: int | None = None  # starts at 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The text of one file. Marks are sorted by start; before the first one neither heading nor page is known."""

    text: str
    title: str | None = None  # None: the file has none of its own
    marks: tuple[Mark, ...] = ()
    is_markdown: bool = False
    has_lines: bool = True  # lines of the text are lines of the file
    body: int = 0  # where what is searched starts; front matter may stand before it
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)  # what it says of itself


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
