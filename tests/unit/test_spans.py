"""Whatever a file holds: marks lie in the text in order, and chunks are slices of it with anchors."""

import io
import json
import zipfile
from email.message import EmailMessage
from functools import cache

import docx
import openpyxl
import pptx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import Chunker, anchors
from ingest.readers.base import Extracted, ReadFailure, Skip
from ingest.readers.kinds import kind_of
from ingest.readers.registry import Registry
from rag.embed import FakeEncoder

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=30)
ROWS = st.lists(st.lists(WORDS | st.sampled_from(["12", "", "a b"]), min_size=1, max_size=4), max_size=8)
BLOCKS = st.lists(st.tuples(st.sampled_from(["heading", "text", "list", "table"]), WORDS, ROWS), max_size=6)


@cache
def chunker() -> Chunker:
    return Chunker(FakeEncoder().tokenizer, 16)


def check(name: str, data: bytes) -> None:
    """The reader's text keeps every promise that citations rest on, or it says why there is none."""
    read, _ = Registry().find(kind_of(name, data[:8192]))
    try:
        extracted: Extracted = read(data)
    except (Skip, ReadFailure):
        return
    assert read(data) == extracted
    starts = [mark.start for mark in extracted.marks]
    assert starts == sorted(starts)
    assert all(0 <= start < max(1, len(extracted.text)) for start in starts)
    assert all(mark.heading is None or mark.heading.strip() for mark in extracted.marks)
    spans = chunker().chunk(extracted)
    at, left = 0, ""
    for span, anchor in zip(spans, anchors(extracted, spans), strict=True):
        assert at <= span.start < span.end <= len(extracted.text)
        left += extracted.text[at : span.start]
        at = span.end
        assert anchor.cells is None or anchor.cells.isascii()
    assert not (left + extracted.text[at:]).strip()


def saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word(blocks: list[tuple[str, str, list[list[str]]]]) -> bytes:
    document = docx.Document()
    for kind, text, rows in blocks:
        if kind == "table":
            table = document.add_table(0, 4)
            for row in rows:
                for cell, value in zip(table.add_row().cells, row, strict=False):
                    cell.text = value
        elif kind == "heading":
            document.add_heading(text, len(text) % 3)
        else:
            document.add_paragraph(text, style="List Bullet" if kind == "list" else None)
    return saved(document)


def slides(blocks: list[tuple[str, str, list[list[str]]]]) -> bytes:
    show = pptx.Presentation()
    for kind, text, _ in blocks:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = text if kind != "text" else ""
        slide.placeholders[1].text = text[::-1]
        if kind == "list":
            slide.notes_slide.notes_text_frame.text = text
    return saved(show)


def sheets(blocks: list[tuple[str, str, list[list[str]]]]) -> bytes:
    book = openpyxl.Workbook()
    for _, _, rows in blocks:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append([value if not value.startswith("=") else "x" for value in row])
    return saved(book)


def book(blocks: list[tuple[str, str, list[list[str]]]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/container.xml", "<c><rootfile full-path='b.opf'/></c>")
        items = "".join(f"<item id='{n}' href='{n}.html' media-type='text/html'/>" for n in range(len(blocks)))
        spine = "".join(f"<itemref idref='{n}'/>" for n in range(len(blocks)))
        archive.writestr("b.opf", f"<p><manifest>{items}</manifest><spine>{spine}</spine></p>")
        for number, (kind, text, _) in enumerate(blocks):
            archive.writestr(f"{number}.html", f"<title>{text}</title><h1>{text}</h1><p>{text}" * (kind != "list"))
    return out.getvalue()


def mail(blocks: list[tuple[str, str, list[list[str]]]]) -> bytes:
    message = EmailMessage()
    message["Subject"] = "s"
    message.set_content("\n\n".join(text for _, text, _ in blocks))
    return message.as_bytes()


MADE = [("a.docx", word), ("a.pptx", slides), ("a.xlsx", sheets), ("a.epub", book), ("a.eml", mail)]


@pytest.mark.parametrize(("name", "make"), MADE)
@settings(max_examples=15, deadline=None)
@given(blocks=BLOCKS)
def test_made_documents(name: str, make, blocks: list[tuple[str, str, list[list[str]]]]) -> None:
    check(name, make(blocks))


JSON = st.recursive(
    WORDS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
XML = st.recursive(
    st.sampled_from(["words", "", "a &lt; b", "<br/>", "  "]),
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: f"<e id='1'>{''.join(parts)}</e>"),
    max_leaves=12,
)
CELLS = "<table-cell><p>N</p></table-cell><table-cell><p>M</p></table-cell>"
ODT_BLOCKS = [
    "<h outline-level='2'>H</h>", "<p>a<s c='3'/>b</p>", "<p/>", "<list><list-item><p>i</p></list-item></list>",
    f"<table name='t'><table-row>{CELLS}</table-row></table>",
]  # fmt: skip
RTF_WORDS = ["\\par ", "word ", "{\\b x}", "\\u20013?", "\\'e9", "{", "}", "\\cell ", "\\row "]
CODE_LINES = ["class A {", "    def f(x):", "func (s *S) Run() {", "}", "", "int main(void) {", "x = 1"]
ODT = st.lists(st.sampled_from(ODT_BLOCKS), max_size=8)
RTF = st.lists(st.sampled_from(RTF_WORDS), max_size=20)
CODE = st.lists(st.sampled_from(CODE_LINES), max_size=20)
SUFFIXES = ["md", "html", "csv", "json", "jsonl", "ipynb", "xml", "eml", "go", "py", "txt", "fodt", "rtf"]


@settings(max_examples=60, deadline=None)
@given(value=JSON)
def test_json_values(value: object) -> None:
    check("a.json", json.dumps(value).encode())
    check("a.jsonl", "\n".join(json.dumps(value) for _ in range(3)).encode())
    check("a.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": value, "outputs": value}] * 2}).encode())


@settings(max_examples=60, deadline=None)
@given(inner=XML, odt=ODT, rtf=RTF, code=CODE, rows=ROWS)
def test_texts_with_structure(
    inner: str, odt: list[str], rtf: list[str], code: list[str], rows: list[list[str]]
) -> None:
    check("a.xml", f"<r>{inner}</r>".encode())
    check("a.html", f"<h1>x</h1>{inner}<h2>{inner}</h2>".encode())
    check("a.fodt", f"<?xml version='1.0'?><d><text>{''.join(odt)}</text></d>".encode())
    check("a.rtf", f"{{\\rtf1 {''.join(rtf)}}}".encode())
    check("a.go", "\n".join(code).encode())
    check("a.py", "\n".join(code).encode())
    check("a.csv", "\n".join(",".join(row) for row in rows).encode("utf-8", "ignore"))


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), suffix=st.sampled_from(SUFFIXES))
def test_any_bytes(suffix: str, data: bytes) -> None:
    check(f"a.{suffix}", data)
