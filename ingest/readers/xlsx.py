"""Workbooks, sheet by sheet and row by row: what the cells show, not how it is computed."""

import warnings
from collections.abc import Iterator
from datetime import date, datetime, time
from io import BytesIO
from typing import Any

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.package import Package
from ingest.readers.sheet import add_sheet
from ingest.readers.table import Row

_BROKEN = (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError)


class XlsxReader:
    """XLSX."""

    def read(self, data: bytes) -> Extracted:
        """A section for each sheet, a line for each row, marked with its cells."""
        Package(data)  # refuses what is encrypted, damaged or too large before openpyxl looks at it
        import openpyxl

        builder = Builder()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
            except _BROKEN as error:
                raise ReadFailure(f"damaged: no readable workbook ({type(error).__name__})") from None
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what a file says of its size may be a lie
                add_sheet(builder, sheet.title, _rows(sheet))
        return builder.extracted()


def _rows(sheet: Any) -> Iterator[Row]:  # noqa: ANN401  # openpyxl has no types
    for number, cells in enumerate(sheet.iter_rows(), 1):
        yield Row(number, [_shown(cell) for cell in cells])


def _shown(cell: Any) -> str:  # noqa: ANN401
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        is_share = "%" in (cell.number_format or "") and abs(value) < 1e6
        return f"{value * 100:.12g}%" if is_share else _number(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.15g}"
