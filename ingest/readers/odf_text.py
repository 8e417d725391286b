"""The words of an OpenDocument element."""

from collections.abc import Iterator

from lxml import etree

from ingest.readers.xmlparts import attribute, name_of

# Comments, speech above characters, what was deleted, and what stands in a frame, which is a block of its own.
_LEFT_OUT = frozenset(["annotation", "annotation-end", "ruby-text", "tracked-changes", "note-citation", "binary-data"])
_MOST_SPACES = 100


def text_of(element: etree._Element) -> str:
    """The text with its line breaks; footnotes stand in brackets where they are referred to."""
    return "".join(_words(element, element)).strip()


def _words(element: etree._Element, top: etree._Element) -> Iterator[str]:
    name = name_of(element)
    if name in _LEFT_OUT or (name in {"frame", "custom-shape"} and name_of(top) == "p"):
        yield element.tail or "" if element is not top else ""
        return
    if name == "s":
        count = attribute(element, "c") or "1"
        yield " " * (min(int(count), _MOST_SPACES) if count.isdecimal() else 1)
    elif name in {"tab", "line-break"}:
        yield "\t" if name == "tab" else "\n"
    opening, closing = (" [", "]") if name == "note-body" else ("", "")
    yield opening + (element.text or "" if name not in {"note", "list", "table-row", "table"} else "")
    for number, child in enumerate(element):
        if number and name_of(child) in {"p", "h", "list-item", "list", "table-row"}:
            yield "\n"
        yield from _words(child, top)
    yield closing
    if element is not top:
        yield element.tail or ""
