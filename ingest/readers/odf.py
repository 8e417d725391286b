"""OpenDocument: texts, sheets and slides, zipped or flat."""

from collections.abc import Iterator

from lxml import etree

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.odf_text import text_of
from ingest.readers.package import Package
from ingest.readers.sheet import add_sheet
from ingest.readers.table import Row, lines
from ingest.readers.xmlparts import attribute, children, name_of

_MANIFEST = "META-INF/manifest.xml"
_MOST_REPEATS = 1024  # of a cell with text; sheets repeat empty ones to their end
_SKIPPED = frozenset(["tracked-changes", "sequence-decls", "variable-decls", "forms", "database-ranges"])
_MOST_DEPTH = 60


class OdfReader:
    """ODT, ODS and ODP, and their flat forms."""

    def read(self, data: bytes) -> Extracted:
        """The text: headings as marks, sheets by their cells, slides by their numbers."""
        if data.lstrip()[:5] == b"<?xml":
            content = data
        else:
            package = Package(data)
            manifest = package.find(_MANIFEST) or b""
            if b"encryption-data" in manifest:
                raise ReadFailure("encrypted: it opens only with a password; save a copy without one")
            content = package.read("content.xml")
        return _Content().extracted(content)


class _Content:
    def __init__(self) -> None:
        self._builder = Builder()
        self._n_slides = 0

    def extracted(self, content: bytes) -> Extracted:
        for element in children(content, "text", "presentation", "drawing"):
            self._block(element, 0)
        for table in children(content, "spreadsheet"):
            if name_of(table) == "table":
                add_sheet(self._builder, attribute(table, "name") or "", _rows(table))
        return self._builder.extracted()

    def _block(self, element: etree._Element, depth: int) -> None:
        name = name_of(element)
        if depth > _MOST_DEPTH or name in _SKIPPED:
            return
        if name == "h":
            level = attribute(element, "outline-level") or "1"
            self._builder.heading(int(level) if level.isdecimal() else 1, text_of(element))
        elif name == "p":
            self._builder.block(text_of(element))
            self._inside(element, depth, only_frames=True)
        elif name == "page":
            self._n_slides += 1
            title = next((text_of(each) for each in element if attribute(each, "class") == "title"), "")
            self._builder.section(slide=self._n_slides, heading=" ".join(title.split()) or None)
            self._builder.title = self._builder.title or " ".join(title.split()) or None
            self._inside(element, depth)
        elif name == "notes":
            words = text_of(element)
            self._builder.block(f"Notes: {words}" if words else "")
        elif name == "list-item":
            self._builder.block(f"- {text_of(element)}", gap="\n")
        elif name == "table":
            gap = "\n\n"
            for line in lines(_rows(element)):
                self._builder.block(line.text, gap=gap)
                gap = "\n"
        else:
            self._inside(element, depth)

    def _inside(self, element: etree._Element, depth: int, *, only_frames: bool = False) -> None:
        for child in element:
            if not only_frames or name_of(child) in {"frame", "text-box", "custom-shape"}:
                self._block(child, depth + 1)


def _rows(table: etree._Element) -> Iterator[Row]:
    number = 1
    for row in table.iter("{*}table-row"):
        if next(row.iterancestors("{*}table"), None) is not table:
            continue
        cells = list(_cells(row))
        times = _repeats(row, "number-rows-repeated")
        for offset in range(min(times, _MOST_REPEATS if any(cells) else 1)):
            yield Row(number + offset, cells)
        number += times


def _cells(row: etree._Element) -> Iterator[str]:
    for cell in row:
        if name_of(cell) not in {"table-cell", "covered-table-cell"}:
            continue
        text = text_of(cell)
        yield from [text] * min(_repeats(cell, "number-columns-repeated"), _MOST_REPEATS)


def _repeats(element: etree._Element, name: str) -> int:
    value = attribute(element, name) or "1"
    return max(1, int(value)) if value.isdecimal() else 1
