"""What all sheets share: a title line, and a line for each row with the cells that it is."""

from collections.abc import Iterable

from ingest.readers.builder import Builder
from ingest.readers.table import Row, lines


def add_sheet(builder: Builder, name: str | None, rows: Iterable[Row]) -> None:
    """Nothing; the sheet stands in the text, if it has any. Without a name it is the only one of its file."""
    builder.section(sheet=name)
    is_first = True
    before = 0
    for line in lines(rows):
        if is_first and name:
            builder.block(name)
        gap = "\n\n" if is_first or line.cells.top > before + 1 else "\n"
        builder.block(line.text, gap=gap, cells=line.cells)
        is_first, before = False, line.cells.bottom
