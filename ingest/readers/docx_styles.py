"""Which paragraph styles of a Word document are headings, and of which level."""

import re

from lxml import etree

from ingest.readers.base import ReadFailure
from ingest.readers.xmlparts import attribute, parse

_HEADING = re.compile(r"heading ([1-9])")  # the built-in names are English in every language
_BODY_LEVEL = 9  # of an outline level that is none
_MOST_ANCESTORS = 20


def heading_levels(data: bytes | None) -> dict[str, int]:
    """The level of each heading style by its id: 1 is outermost, 0 the style of the document's title."""
    try:
        styles = parse(data) if data else []
    except ReadFailure:
        return {}
    by_id = {attribute(style, "styleId") or "": style for style in styles}
    levels = {}
    for identity, style in by_id.items():
        level = _level(style, by_id)
        if level is not None:
            levels[identity] = level
    return levels


def outline_level(properties: etree._Element) -> int | None:
    """The level that a paragraph's or a style's own properties say."""
    found = properties.find("{*}outlineLvl")
    value = attribute(found, "val") if found is not None else None
    return int(value) + 1 if value and value.isdecimal() and int(value) < _BODY_LEVEL else None


def _level(style: etree._Element, by_id: dict[str, etree._Element]) -> int | None:
    current: etree._Element | None = style
    for _ in range(_MOST_ANCESTORS):
        if current is None:
            return None
        named = current.find("{*}name")
        name = (attribute(named, "val") or "").lower() if named is not None else ""
        if name == "title":
            return 0
        if found := _HEADING.fullmatch(name):
            return int(found[1])
        properties = current.find("{*}pPr")
        if properties is not None and (level := outline_level(properties)) is not None:
            return level
        base = current.find("{*}basedOn")
        current = by_id.get(attribute(base, "val") or "") if base is not None else None
    return None
