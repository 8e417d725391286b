"""A source as a page for a browser."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote as escaped

from fastapi.responses import HTMLResponse

from rag.api.html import page
from rag.api.sources.link import Link
from rag.api.sources.picture import Picture
from rag.api.sources.place import Source
from rag.api.sources.window import window
from rag.cite import Place

_NOTICES = {
    Place.HERE: None,
    Place.MOVED: "The document has changed since the answer was given. The quoted words now stand here.",
    Place.RESPELLED: "The document has changed since the answer was given. The quoted words now stand here, with other "
    "spacing, case or punctuation.",
    Place.LOST: "The document has changed since the answer was given, and the quoted words no longer stand in it. This "
    "is the place where they stood.",
}
_LABELS = {"heading": "Section", "page": "Page", "slide": "Slide", "sheet": "Sheet", "cells": "Cells", "line": "Line"}
_PROSE_NAMES = """.md .markdown .mdown .mkd .mdx .qmd .rmd .txt .text .rst .adoc .org .tex .html .htm .xhtml .pdf .doc
    .docx .pptx .odt .odp .rtf .epub .eml .msg"""
_PROSE = frozenset(_PROSE_NAMES.split())
# They reorder what is read: a text may show something else than it holds.
_IS_DECEIVING = (
    "This text holds invisible characters that change the direction of reading. It may look other than it is."
)
_DECEIVING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def source_page(link: Link, source: Source, picture: Picture, start: int | None) -> HTMLResponse:
    """The page. start: offset from which on the text is read; None: around the quote."""
    text, span = source.text, source.span
    shown = window(text, (span.start, span.end), start)
    first, last = (min(max(edge, shown.start), shown.end) for edge in (span.start, span.end))
    if span.place is Place.LOST:
        last = first
    moved = _NOTICES[span.place] if start is None or first < last else None  # it speaks of what is shown
    deceiving = _IS_DECEIVING if _DECEIVING.search(text, shown.start, shown.end) else None
    here, joint = _address(link), "&" if link.query() else "?"
    words: dict[str, object] = {
        "title": source.chunk.title,
        "document": source.listed.path,
        "collection": source.collection,
        "facts": _facts(source, picture),
        "before": text[shown.start : first],
        "quote": text[first:last],
        "after": text[last : shown.end],
        "is_prose": PurePosixPath(source.listed.path).suffix.lower() in _PROSE,
        "notes": [note for note in (moved, deceiving, picture.reason) if note],
        "first": shown.start + 1,
        "last": shown.end,
        "length": len(text),
        "earlier": None if shown.earlier is None else f"{here}{joint}from={shown.earlier}#text",
        "later": None if shown.later is None else f"{here}{joint}from={shown.later}#text",
        "to_quote": f"{here}#quote" if start is not None and not first < last else None,
        "whole": _address(link, "/document"),
        "picture": _address(link, "/page.png") if picture.page else None,
        "page": picture.page,
    }
    return page("source.html.j2", words)


def _address(link: Link, below: str = "") -> str:
    """Relative to the page. The id is whatever a client has sent: it may not read as another kind of address."""
    path = f"./{escaped(link.chunk_id, safe='')}{below}"
    return f"{path}?{link.query()}" if link.query() else path


def _facts(source: Source, picture: Picture) -> list[tuple[str, str]]:
    anchor = source.anchor.as_dict()
    if picture.page:
        anchor["page"] = picture.page.number
    return [(_LABELS[name], str(value)) for name, value in anchor.items()]
