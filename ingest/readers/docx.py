"""Word documents: paragraphs, tables row by row, footnotes where they are referred to. No headers and footers."""

from collections.abc import Iterator

from lxml import etree

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.docx_styles import heading_levels, outline_level
from ingest.readers.package import Package
from ingest.readers.table import Row, lines
from ingest.readers.xmlparts import attribute, children, name_of, parse

# Deleted or moved away, codes of fields, how a word is spoken, properties, what is shown elsewhere.
_LEFT_OUT = frozenset(
    [
        "del",
        "moveFrom",
        "delText",
        "instrText",
        "delInstrText",
        "rt",
        "Fallback",
        "txbxContent",
        "rPr",
        "pPr",
        "sdtPr",
        "sectPr",
        "tblPr",
        "trPr",
        "tcPr",
    ]
)
_AS_TEXT = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_WRAPPERS = frozenset(["sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag"])
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
_OFF = frozenset(["0", "false", "off"])


class DocxReader:
    """DOCX, transitional and strict, whatever it says it was made by."""

    def read(self, data: bytes) -> Extracted:
        """The text as it reads with all changes accepted; hidden text is left out."""
        package = Package(data)
        return _Document(package).extracted()


class _Document:
    def __init__(self, package: Package) -> None:
        main = next((path for kind, path in package.related("").values() if kind == "officeDocument"), None)
        self._main = main or "word/document.xml"
        self._package = package
        related = dict(package.related(self._main).values())
        self._levels = heading_levels(package.find(related.get("styles", "word/styles.xml")))
        self._notes = {
            (kind, identity): text
            for kind in _NOTES.values()
            for identity, text in _notes(package.find(related.get(kind, f"word/{kind}.xml")))
        }
        self._builder = Builder()
        self._n_notes = 0

    def extracted(self) -> Extracted:
        data = self._package.read(self._main)
        for element in children(data, "body"):
            self._block(element)
        return self._builder.extracted()

    def _block(self, element: etree._Element) -> None:
        name = name_of(element)
        if name == "p":
            self._paragraph(element)
        elif name == "tbl":
            self._table(element)
        elif name in _WRAPPERS:
            for child in element:
                self._block(child)

    def _paragraph(self, element: etree._Element) -> None:
        notes: list[str] = []
        text = "".join(self._text(element, notes)).strip()
        level = self._level(element)
        if level is not None:
            self._builder.heading(level, text)
        elif element.find("{*}pPr/{*}numPr") is not None and text:
            self._builder.block(f"- {text}", gap="\n")
        else:
            self._builder.block(text)
        for note in notes:
            self._builder.block(note, gap="\n")
        for box in _boxes(element):
            for child in box:
                self._block(child)

    def _table(self, element: etree._Element) -> None:
        notes: list[str] = []
        gap = "\n\n"
        for line in lines(Row(number, list(self._cells(row, notes))) for number, row in enumerate(_rows(element), 1)):
            self._builder.block(line.text, gap=gap)
            gap = "\n"
        for note in notes:
            self._builder.block(note, gap="\n")

    def _cells(self, row: etree._Element, notes: list[str]) -> Iterator[str]:
        for cell in row.iter("{*}tc"):
            if next(cell.iterancestors("{*}tr"), None) is not row:
                continue  # of a table inside this one's cell, which is part of that cell's text
            yield "\n".join("".join(self._text(each, notes)) for each in cell.iter("{*}p"))
            span = cell.find("{*}tcPr/{*}gridSpan")
            width = attribute(span, "val") if span is not None else None
            yield from [""] * (min(int(width), 64) - 1 if width and width.isdecimal() else 0)

    def _text(self, element: etree._Element, notes: list[str]) -> Iterator[str]:
        name = name_of(element)
        if name in _LEFT_OUT and not (name == "Fallback" and len(element.getparent() or ()) == 1):
            return
        if name == "t":
            yield element.text or ""
        elif name in _AS_TEXT:
            yield _AS_TEXT[name]
        elif name in _NOTES:
            text = self._notes.get((_NOTES[name], attribute(element, "id") or ""))
            if text:
                self._n_notes += 1
                notes.append(f"[{self._n_notes}] {text}")
                yield f" [{self._n_notes}]"
        elif not (name == "r" and _is_hidden(element)):
            for child in element:
                yield from self._text(child, notes)

    def _level(self, element: etree._Element) -> int | None:
        properties = element.find("{*}pPr")
        if properties is None:
            return None
        own = outline_level(properties)
        if own is not None:
            return own
        style = properties.find("{*}pStyle")
        return self._levels.get(attribute(style, "val") or "") if style is not None else None


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    for row in table.iter("{*}tr"):
        if next(row.iterancestors("{*}tbl"), None) is table:
            yield row


def _boxes(paragraph: etree._Element) -> Iterator[etree._Element]:
    """Text boxes anchored in the paragraph; of the two ways in which one is often stored only the first."""
    for box in paragraph.iter("{*}txbxContent"):
        if next(box.iterancestors("{*}Fallback", "{*}txbxContent"), None) is None:
            yield box


def _is_hidden(run: etree._Element) -> bool:
    vanish = run.find("{*}rPr/{*}vanish")
    return vanish is not None and (attribute(vanish, "val") or "1").lower() not in _OFF


def _notes(data: bytes | None) -> Iterator[tuple[str, str]]:
    """The id and text of each footnote."""
    if data is None:
        return
    try:
        root = parse(data)
    except ReadFailure:
        return
    for note in root:
        text = " ".join("".join(each.text or "" for each in note.iter("{*}t")).split())
        if text and attribute(note, "type") in {None, "normal"}:
            yield attribute(note, "id") or "", text
