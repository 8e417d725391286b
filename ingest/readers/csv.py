"""CSV and TSV, row by row."""

import csv
from collections.abc import Iterator

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.decode import decode
from ingest.readers.sheet import add_sheet
from ingest.readers.table import Row

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20
_FIELD_CHARS = 2**20


class CsvReader:
    """Tables as text, with any of the usual delimiters."""

    def read(self, data: bytes) -> Extracted:
        """A line for each row, marked with its cells."""
        text = decode(data)
        csv.field_size_limit(_FIELD_CHARS)
        rows = csv.reader(text.splitlines(keepends=True), delimiter=_delimiter(text))
        builder = Builder()
        try:
            add_sheet(builder, None, (Row(number, cells) for number, cells in enumerate(rows, 1)))
        except csv.Error as error:
            raise ReadFailure(f"damaged: no readable table ({error})") from None
        return builder.extracted()


def _delimiter(text: str) -> str:
    """The delimiter that the first lines have most alike."""
    sample = [line for line in _first_lines(text) if line.strip()]

    def fit(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in sample]
        return min(counts, default=0), sum(counts)

    return max(_DELIMITERS, key=fit)


def _first_lines(text: str) -> Iterator[str]:
    at = 0
    for _ in range(_SAMPLE_LINES):
        end = text.find("\n", at)
        yield text[at : end if end >= 0 else len(text)][:10_000]
        if end < 0:
            return
        at = end + 1
