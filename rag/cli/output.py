"""What a terminal sees: JSON, tables, notes and colours."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table

_PLACES = ("page", "slide", "sheet", "cells", "line")
# Control characters of the terminal; a document may hold them, and then it would write where it likes.
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def say(text: str = "", *, end: str = "\n") -> None:
    """Nothing; the text stands on standard output."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def say_parts(*parts: tuple[str, str]) -> None:
    """Nothing; a line of texts stands on standard output, each in its style where a terminal shows it.

    parts: text and rich's name of a style, or "".
    """
    if not sys.stdout.isatty():
        say("".join(text for text, _ in parts))
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(*((printable(text), style) for text, style in parts))
    Console(highlight=False).print(line, soft_wrap=True)  # which keeps to NO_COLOR and TERM=dumb


def note(text: str) -> None:
    """Nothing; the text stands on standard error."""
    sys.stderr.write(printable(text) + "\n")


def say_json(document: Mapping[str, object], *, indent: int | None = 2) -> None:
    """Nothing; the document stands on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")
    sys.stdout.flush()


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Nothing; the rows stand below the column names on standard output.

    On a terminal in columns as wide as it is. Elsewhere a row is a line whose cells are joined by tabs, for `cut`.
    """
    cells = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (list(columns), *cells):
            say("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console

    console = Console()
    console.print(table(columns, cells, width=console.width))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, width: int) -> "Table":
    """A table for a terminal of so many columns. What has no space in it, an id or a URL, is whole if there is room."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    cells = [[cell if isinstance(cell, Text) else Text(printable(str(cell))) for cell in row] for row in rows]
    written = [[column, *(row[number].plain for row in cells)] for number, column in enumerate(columns)]
    are_whole = [not any(" " in text for text in texts) for texts in written]
    least = sum(max(cell_len(word) for text in texts for word in text.split(" ")) for texts in written)
    has_room = least + made.padding[1] * 2 * (len(columns) - 1) <= width
    for column, is_whole in zip(columns, are_whole, strict=True):
        made.add_column(column, overflow="fold", no_wrap=has_room and is_whole)
    for row in cells:
        made.add_row(*row)
    return made


def can_redraw(stream: TextIO) -> bool:
    """Whether it is a terminal on which what stands there can be drawn anew."""
    if not stream.isatty():
        return False
    from rich.console import Console

    return not Console(file=stream).is_dumb_terminal


def printable(text: str) -> str:
    """The text without control characters, lines and tabs kept."""
    return text.translate(_CONTROLS)


def place(document: str, anchor: Mapping[str, object]) -> str:
    """Where a reader finds a span: `guide/refunds.md > Returns, line 12`."""
    words = f"{document} > {anchor['heading']}" if anchor.get("heading") else document
    return ", ".join([words, *(f"{name} {anchor[name]}" for name in _PLACES if anchor.get(name))])
