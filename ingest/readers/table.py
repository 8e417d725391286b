"""Rows of cells to lines of text that can each be understood alone: `Name: Bolt | Price: 0.20`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.readers.base import Cells

_NUMBER = re.compile(r"[\s\d.,:;/%()+\-\u2013€$£¥]*\d[\s\d.,:;/%()+\-\u2013€$£¥]*(?:e[+-]?\d+)?", re.IGNORECASE)
_LABEL_CHARS = 80
_GAP = " | "


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; its number starts at 1, and so does the column of its first cell."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """A row as text, and which cells it is."""

    text: str
    cells: Cells


def lines(rows: Iterable[Row]) -> Iterator[Line]:
    """A line for each row with text: its values, each behind the name of its column where the table has names.

    A table begins after rows without text. Its names are its first row, if that is several short texts and none
    twice; above it rows with one text may stand, such as a title.
    """
    names: Sequence[str] | None = None
    is_start = True
    waiting: Row | None = None  # it has names if something follows it
    for row in rows:
        folded = Row(row.number, [" ".join(cell.split()) for cell in row.cells])
        n_filled = sum(map(bool, folded.cells))
        if waiting is not None:
            names = waiting.cells if n_filled else None
            yield _line(waiting, None)
            waiting = None
        if not n_filled:
            names, is_start = None, True
        elif is_start and n_filled > 1 and _has_names(folded.cells):
            waiting, is_start = folded, False
        else:
            is_start = is_start and n_filled == 1
            yield _line(folded, names)
    if waiting is not None:
        yield _line(waiting, None)


def _has_names(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    is_short = all(len(cell) <= _LABEL_CHARS and not _NUMBER.fullmatch(cell) for cell in filled)
    return is_short and len(set(filled)) == len(filled)


def _line(row: Row, names: Sequence[str] | None) -> Line:
    filled = [(column, cell) for column, cell in enumerate(row.cells) if cell]
    shown = [
        f"{names[column]}: {cell}" if names and column < len(names) and names[column] else cell
        for column, cell in filled
    ]
    first, last = filled[0][0] + 1, filled[-1][0] + 1
    return Line(_GAP.join(shown), Cells(row.number, first, row.number, last))
