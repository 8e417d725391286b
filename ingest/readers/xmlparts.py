"""XML parsed without entities, without a network, and within libxml2's limits on depth and size."""

from collections.abc import Iterator
from io import BytesIO

from lxml import etree

from ingest.readers.base import ReadFailure

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
_TOO_DEEP = "Excessive depth"


def parse(data: bytes) -> etree._Element:
    """The root element.

    Raises:
        ReadFailure: it is no XML, or nested too deeply.
    """
    try:
        return etree.fromstring(data, etree.XMLParser(**_SAFE, remove_comments=True, remove_pis=True))
    except etree.XMLSyntaxError as error:
        raise _failure(error) from None


def children(data: bytes, *parents: str) -> Iterator[etree._Element]:
    """Each child of the elements with one of these local names, whole, and forgotten when the next is asked for.

    Raises:
        ReadFailure: it is no XML, or nested too deeply.
    """
    inside: list[etree._Element] = []
    reader = etree.iterparse(BytesIO(data), ("start", "end"), **_SAFE, remove_comments=True, remove_pis=True)
    try:
        for event, element in reader:
            parent = element.getparent()
            if event == "start":
                if not inside and name_of(element) in parents:
                    inside.append(element)
            elif inside and element is inside[0]:
                inside.clear()
            elif inside and parent is inside[0]:
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del parent[0]
    except etree.XMLSyntaxError as error:
        raise _failure(error) from None


def name_of(element: etree._Element) -> str:
    """The element's name without its namespace, which differs between versions of a format; "" for what is none."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: etree._Element, name: str) -> str | None:
    """The attribute with this local name."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


def _failure(error: etree.XMLSyntaxError) -> ReadFailure:
    words = str(error.msg or "no XML")
    if _TOO_DEEP in words:
        return ReadFailure("damaged: its XML is nested too deeply")
    return ReadFailure(f"damaged: its XML is broken ({' '.join(words.split())[:200]})")
