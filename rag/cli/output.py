"""What a terminal sees: JSON, tables, notes and colours."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

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
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


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
