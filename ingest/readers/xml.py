"""XML that no other reader knows: its text, under the path of its elements."""

from collections.abc import Iterator

from lxml import etree

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.decode import decode
from ingest.readers.html import declared_charset
from ingest.readers.xmlparts import attribute, name_of, parse

_NAMES = ("id", "name", "title", "key")  # attributes by which elements of one kind are told apart


class XmlReader:
    """Any XML. Entities are not resolved and nothing is fetched; what is no XML after all is read as text."""

    def read(self, data: bytes) -> Extracted:
        """A line for each element with text of its own; single values behind the name of their element."""
        text = decode(data, declared_charset(data))
        try:
            root = parse(_without_declaration(text).encode("utf-8", "replace"))
        except ReadFailure as failure:
            if "too deep" in str(failure):
                raise
            return Extracted(text=text)
        builder = Builder()
        before: str | None = None
        for path, line in _lines(root, ()):
            if path != before:
                builder.section(heading=path or None)
            builder.block(line, gap="\n" if path == before else "\n\n")
            before = path
        return builder.extracted()


def _lines(element: etree._Element, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    name = name_of(element)
    mixed = bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
    if mixed:
        words = " ".join("".join(str(each) for each in element.itertext()).split())
        yield " > ".join(path), f"{name}: {words}" if len(element) == 0 else words
        return
    told = next((value for key in _NAMES if (value := attribute(element, key))), None)
    inner = (*path, f"{name} {told}" if told else name)
    values = [f"{str(key).rpartition('}')[2]}: {value}" for key, value in element.attrib.items() if str(value).strip()]
    if values:
        yield " > ".join(inner), ", ".join(values)
    for child in element:
        yield from _lines(child, inner)


def _without_declaration(text: str) -> str:
    """The text without the line that names a character set: it is decoded already."""
    text = text.lstrip()
    return text[text.index("?>") + 2 :] if text.startswith("<?xml") and "?>" in text else text
