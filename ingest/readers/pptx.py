"""Slides: title, texts and tables in the order of the file, then the speaker's notes."""

from collections.abc import Iterator

from lxml import etree

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.package import Package
from ingest.readers.table import Row, lines
from ingest.readers.xmlparts import attribute, name_of, parse

_TITLES = frozenset(["title", "ctrTitle"])
_LEFT_OUT = frozenset(["dt", "ftr", "sldNum", "hdr", "sldImg"])  # on every slide the same
_MOST_DEPTH = 50


class PptxReader:
    """PPTX. Hidden slides are read too, so that numbers are those of the file."""

    def read(self, data: bytes) -> Extracted:
        """The text of all slides, a mark at each slide's start with its title as heading."""
        package = Package(data)
        main = next((path for kind, path in package.related("").values() if kind == "officeDocument"), None)
        main = main or "ppt/presentation.xml"
        related = package.related(main)
        builder = Builder()
        for number, entry in enumerate(parse(package.read(main)).iter("{*}sldId"), 1):
            _, path = related.get(_relation(entry), ("", ""))
            slide = package.find(path)
            if slide is not None:
                _slide(builder, number, slide, _notes(package, path))
        return builder.extracted()


def _slide(builder: Builder, number: int, data: bytes, notes: str) -> None:
    try:
        tree = parse(data)
    except ReadFailure:
        return
    shapes = list(_shapes(tree, 0))
    title = next((" ".join(_text(shape).split()) for shape in shapes if _placeholder(shape) in _TITLES), "")
    builder.section(slide=number, heading=title or None)
    builder.title = builder.title or title or None
    builder.block(title)
    for shape in shapes:
        if _placeholder(shape) in _TITLES | _LEFT_OUT:
            continue
        table = shape.find(".//{*}tbl")
        if table is None:
            builder.block(_text(shape))
            continue
        gap = "\n\n"
        for line in lines(_rows(table)):
            builder.block(line.text, gap=gap)
            gap = "\n"
    if notes:
        builder.block(f"Notes: {notes}")


def _relation(entry: etree._Element) -> str:
    """The id of the relation; an entry has an id of its own too, which has no namespace."""
    return next((str(value) for key, value in entry.attrib.items() if str(key).endswith("}id")), "")


def _notes(package: Package, slide: str) -> str:
    path = next((path for kind, path in package.related(slide).values() if kind == "notesSlide"), None)
    data = package.find(path) if path else None
    if data is None:
        return ""
    try:
        shapes = list(_shapes(parse(data), 0))
    except ReadFailure:
        return ""
    return "\n".join(filter(None, (_text(shape) for shape in shapes if _placeholder(shape) not in _LEFT_OUT)))


def _shapes(element: etree._Element, depth: int) -> Iterator[etree._Element]:
    for child in element:
        name = name_of(child)
        if name in {"sp", "graphicFrame", "cxnSp"}:
            yield child
        elif name in {"cSld", "spTree", "grpSp", "AlternateContent", "Choice"} and depth < _MOST_DEPTH:
            yield from _shapes(child, depth + 1)


def _placeholder(shape: etree._Element) -> str | None:
    found = shape.find("./{*}nvSpPr/{*}nvPr/{*}ph")
    return (attribute(found, "type") or "body") if found is not None else None


def _text(element: etree._Element) -> str:
    """The paragraphs, a line each."""
    return "\n".join(filter(None, ("".join(_runs(each)).strip() for each in element.iter("{*}p"))))


def _runs(paragraph: etree._Element) -> Iterator[str]:
    for each in paragraph.iter():
        name = name_of(each)
        if name == "t":
            yield each.text or ""
        elif name in {"br", "tab"}:
            yield "\n" if name == "br" else "\t"


def _rows(table: etree._Element) -> Iterator[Row]:
    for number, row in enumerate(table.iter("{*}tr"), 1):
        yield Row(number, [_text(cell) for cell in row.iter("{*}tc")])
