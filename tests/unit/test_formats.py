"""Each format gives its text and the anchors by which a reader finds it."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from email.message import EmailMessage
from itertools import pairwise

import docx
import openpyxl
import pptx
import pytest

from ingest.chunk import Span, anchors
from ingest.readers import Extracted, ReadFailure, Skip
from ingest.worker.pool import Readers
from rag.settings import IngestSettings

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODF = " ".join(
    f'xmlns:{name.split(":")[0]}="urn:oasis:names:tc:opendocument:xmlns:{name.split(":")[-1]}:1.0"'
    for name in ("office", "text", "table", "draw:drawing", "presentation")
)


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    with Readers(IngestSettings(workers=1)) as opened:
        yield opened


def saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def places(extracted: Extracted) -> list[dict[str, str | int]]:
    """The anchor of each line of the text."""
    spans, start = [], 0
    for line in extracted.text.split("\n"):
        if line.strip():
            spans.append(Span(start, start + len(line)))
        start += len(line) + 1
    return [anchor.as_dict() for anchor in anchors(extracted, spans)]


def test_word_gives_headings_tables_lists_and_no_headers(readers: Readers) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.add_heading("Handbook", 0)
    document.add_heading("Returns", 1)
    document.add_paragraph("Goods come back\tin ten days.")
    document.add_paragraph("unused", style="List Bullet")
    document.add_heading("Fees", 2)
    table = document.add_table(3, 2)
    for row, cells in zip(table.rows, [("Country", "Fee"), ("Norway", "4.50"), ("Chile", "9")], strict=True):
        row.cells[0].text, row.cells[1].text = cells
    extracted = readers.read("a.docx", saved(document))
    assert extracted.text == (
        "Handbook\n\nReturns\n\nGoods come back\tin ten days.\n\nunused\n\nFees\n\n"
        "Country | Fee\nCountry: Norway | Fee: 4.50\nCountry: Chile | Fee: 9"
    )
    assert extracted.title == "Handbook"
    assert places(extracted)[-1] == {"heading": "Handbook > Returns > Fees"}
    assert not extracted.has_lines


def test_word_reads_as_with_all_changes_accepted(readers: Readers) -> None:
    body = (
        "<w:p><w:r><w:t>The fee is </w:t></w:r><w:del><w:r><w:delText>five</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>six</w:t></w:r></w:ins><w:r><w:t xml:space='preserve'> euros</w:t></w:r>"
        "<w:r><w:footnoteReference w:id='2'/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a form field</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:r><w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt>"
        "<w:rubyBase><w:r><w:t>東</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>"
    )
    parts = {
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/footnotes.xml": f"<w:footnotes {W}><w:footnote w:id='2'><w:p><w:r><w:t>Since May.</w:t></w:r></w:p>"
        "</w:footnote></w:footnotes>",
    }
    text = readers.read("a.docx", zipped(**parts)).text
    assert text == "The fee is six euros [1]\n[1] Since May.\n\nIn a form field\n\n東"


def test_slides_give_titles_tables_and_notes_with_their_number(readers: Readers) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Plans", "Grow\nSlowly"
    slide.notes_slide.notes_text_frame.text = "Say it with care."
    show.slides.add_slide(show.slide_layouts[6])
    last = show.slides.add_slide(show.slide_layouts[5])
    last.shapes.title.text = "Costs"
    cells = last.shapes.add_table(2, 2, 0, 0, 99, 99).table
    for number, text in enumerate(["Item", "Cost", "Rent", "12"]):
        cells.cell(number // 2, number % 2).text = text
    extracted = readers.read("a.pptx", saved(show))
    assert extracted.text == (
        "Plans\n\nGrow\nSlowly\n\nNotes: Say it with care.\n\nCosts\n\nItem | Cost\nItem: Rent | Cost: 12"
    )
    found = places(extracted)
    assert found[0] == found[3] == {"heading": "Plans", "slide": 1}
    assert found[4] == found[6] == {"heading": "Costs", "slide": 3}


def test_sheets_give_rows_with_their_columns_names_and_cells(readers: Readers) -> None:
    book = openpyxl.Workbook()
    prices = book.active
    prices.title = "Prices"
    prices["B2"] = "Prices of 2026"
    for row in (
        ["", "Name", "Price", "Since", "Share"],
        ["", "Bolt", 0.2, date(2026, 1, 5), 0.25],
        ["", "Nut", 3, datetime.fromisoformat("2026-01-05T08:30:00"), None],
    ):
        prices.append(row)
    prices["E4"].number_format = "0%"
    notes = book.create_sheet("Notes")
    notes["A1"], notes["A3"], notes["B3"] = "Free text\nof two lines", 123456789012345, True
    book.create_sheet("Empty")
    extracted = readers.read("a.xlsx", saved(book))
    assert extracted.text.split("\n") == [
        "Prices", "", "Prices of 2026", "Name | Price | Since | Share",
        "Name: Bolt | Price: 0.2 | Since: 2026-01-05 | Share: 25%",
        "Name: Nut | Price: 3 | Since: 2026-01-05 08:30:00", "",
        "Notes", "", "Free text of two lines", "", "123456789012345 | TRUE",
    ]  # fmt: skip
    found = places(extracted)
    assert found[:3] == [{"sheet": "Prices"}, {"sheet": "Prices", "cells": "B2"}, {"sheet": "Prices", "cells": "B3:E3"}]
    assert found[-1] == {"sheet": "Notes", "cells": "A3:B3"}
    start, end = extracted.text.index("Prices of"), extracted.text.index("Notes")
    assert anchors(extracted, [Span(start, end)])[0].as_dict() == {"sheet": "Prices", "cells": "B2:E5"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_as_text_are_read_with_any_delimiter(readers: Readers, delimiter: str) -> None:
    rows = [["Name", "Note"], ["Bolt", '"two\nlines"'], ["Nut", "x"]]
    extracted = readers.read("a.csv", "\n".join(delimiter.join(row) for row in rows).encode())
    assert extracted.text == "Name | Note\nName: Bolt | Note: two lines\nName: Nut | Note: x"
    assert places(extracted) == [{"cells": "A1:B1"}, {"cells": "A2:B2"}, {"cells": "A3:B3"}]


def test_a_table_without_names_keeps_its_values(readers: Readers) -> None:
    assert readers.read("a.csv", b"1,2\n3,4\n").text == "1 | 2\n3 | 4"
    assert readers.read("a.csv", b"a,b\n").text == "a | b"
    assert readers.read("a.csv", b"Top\nx,y\n1,2\n\nk,l\n3,4\n").text == "Top\nx | y\nx: 1 | y: 2\n\nk | l\nk: 3 | l: 4"
    with pytest.raises(Skip):
        readers.read("a.csv", b",,\n,,\n")


def test_open_document_texts_sheets_and_slides(readers: Readers) -> None:
    def content(kind: str, inner: str) -> str:
        body = f"<office:body><office:{kind}>{inner}</office:{kind}></office:body>"
        return f"<?xml version='1.0'?><office:document-content {ODF}>{body}</office:document-content>"

    text = content(
        "text",
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h text:outline-level='1'>Top</text:h>"
        "<text:p>One<text:s text:c='2'/>two<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>a note</text:p></text:note-body></text:note>.</text:p><text:list><text:list-item><text:p>item</text:p>"
        "</text:list-item></text:list>",
    )
    extracted = readers.read("a.odt", zipped(**{"content.xml": text}))
    assert extracted.text == "Top\n\nOne  two [a note].\n- item"
    assert places(extracted)[1] == {"heading": "Top"}
    assert readers.read("a.fodt", text.encode()).text == extracted.text

    def cell(value: str, more: str = "") -> str:
        return f"<table:table-cell {more}><text:p>{value}</text:p></table:table-cell>"

    rows = [
        cell("Name") + cell("Price"), "<table:table-cell table:number-columns-repeated='1000000'/>",
        cell("Bolt") + cell("2", "table:number-columns-repeated='2'"),
    ]  # fmt: skip
    repeated = ("", 'table:number-rows-repeated="4"', "")
    inner = "".join(
        f"<table:table-row {more}>{row}</table:table-row>" for more, row in zip(repeated, rows, strict=True)
    )
    sheet = readers.read(
        "a.ods",
        zipped(**{"content.xml": content("spreadsheet", f"<table:table table:name='Data'>{inner}</table:table>")}),
    )
    assert sheet.text == "Data\n\nName | Price\n\nBolt | 2 | 2"
    assert places(sheet)[-1] == {"sheet": "Data", "cells": "A6:C6"}

    page = (
        "<draw:page><draw:frame presentation:class='title'><draw:text-box><text:p>Hello</text:p></draw:text-box>"
        "</draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>quiet</text:p></draw:text-box></draw:frame>"
        "</presentation:notes></draw:page>"
    )
    slides = readers.read("a.odp", zipped(**{"content.xml": content("presentation", page * 2)}))
    assert slides.text == "Hello\n\nNotes: quiet\n\nHello\n\nNotes: quiet"
    assert places(slides)[-1] == {"heading": "Hello", "slide": 2}
    manifest = "<m><file-entry><encryption-data/></file-entry></m>"
    with pytest.raises(ReadFailure, match=r"^encrypted"):
        readers.read("a.odt", zipped(**{"META-INF/manifest.xml": manifest, "content.xml": "x"}))


def test_a_book_is_read_in_its_order(readers: Readers) -> None:
    opf = (
        "<package xmlns:dc='http://purl.org/dc/elements/1.1/'><metadata><dc:title>The Book</dc:title></metadata>"
        "<manifest><item id='b' href='two%20.xhtml' media-type='application/xhtml+xml'/>"
        "<item id='a' href='one.xhtml' media-type='application/xhtml+xml'/>"
        "<item id='c' href='c.png' media-type='image/png'/></manifest>"
        "<spine><itemref idref='a'/><itemref idref='b'/><itemref idref='c'/></spine></package>"
    )
    files = {
        "META-INF/container.xml": "<container><rootfiles><rootfile full-path='in/book.opf'/></rootfiles></container>",
        "in/book.opf": opf,
        "in/two .xhtml": "<html><body><h1>Two</h1><p>Later.</p></body></html>",
        "in/one.xhtml": "<html><body><h1>One</h1><p>First.</p></body></html>",
    }
    extracted = readers.read("a.epub", zipped(**files))
    assert extracted.text == "The Book\n\nOne\n\nFirst.\n\nTwo\n\nLater."
    assert extracted.title == "The Book"
    assert [place.get("heading") for place in places(extracted)] == ["The Book", "One", "One", "Two", "Two"]


def test_rtf_gives_its_text(readers: Readers) -> None:
    data = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 Caf\'e9 \u26481?\par Second {\b bold} line.}"
    assert readers.read("a.rtf", data).text == "Café 東\nSecond bold line."
    assert readers.read("no suffix", data).text.startswith("Café")


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"], mail["Date"] = (
        "Größe",
        "Ann <ann@x.org>",
        "bob@x.org",
        "Mon, 05 Jan 2026 08:30:00 +0000",
    )
    mail.set_content("Dear Bob,\n\nsee below.\n")
    mail.add_alternative("<p>Dear <b>Bob</b></p>", subtype="html")
    mail.add_attachment(b"# Plan\n\nGrow.", maintype="text", subtype="markdown", filename="plan.md")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    return mail


def test_a_message_gives_headers_body_and_what_is_attached(readers: Readers) -> None:
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.set_content("<p>Only <b>HTML</b> é", subtype="html", charset="iso-8859-1")
    outer.add_attachment(message())
    parts = readers.documents("a.eml", outer.as_bytes())
    texts = {part.name: part.extracted for part in parts if part.extracted}
    assert list(texts) == ["", "attachment-1.eml", "attachment-1.eml/plan.md"]
    assert texts[""].text == "Subject: Fwd\n\nOnly HTML é\n\nAttachments: attachment-1.eml"
    inner = texts["attachment-1.eml"]
    assert inner.text == (
        "Subject: Größe\nFrom: Ann <ann@x.org>\nTo: bob@x.org\nDate: Mon, 05 Jan 2026 08:30:00 +0000\n\n"
        "Dear Bob,\n\nsee below.\n\nAttachments: plan.md, logo.png"
    )
    assert (inner.title, places(inner)[0]) == ("Größe", {"heading": "Größe"})
    assert texts["attachment-1.eml/plan.md"].text == "# Plan\n\nGrow."
    assert [(part.name, part.skipped) for part in parts if part.skipped] == [
        ("attachment-1.eml/logo.png", "not a document type (.png)")
    ]
    with Readers(IngestSettings(workers=1, max_members=0)) as closed:
        assert [part.name for part in closed.documents("a.eml", message().as_bytes())] == [""]


def compound(streams: dict[str, bytes]) -> bytes:
    """An OLE compound file with these streams; a name may have one folder before it."""
    folders = list(dict.fromkeys(name.split("/")[0] for name in streams if "/" in name))
    names = ["Root Entry", *folders, *streams]
    inside = {folder: [name for name in streams if name.startswith(f"{folder}/")] for folder in folders}
    inside["Root Entry"] = [*folders, *(name for name in streams if "/" not in name)]
    following = {name: after for group in inside.values() for name, after in pairwise(group)}
    mini, table, starts = b"", [], {}
    for name, data in streams.items():
        n_sectors = max(1, -(-len(data) // 64))
        starts[name] = len(table)
        table += [*range(len(table) + 1, len(table) + n_sectors), 0xFFFFFFFE]
        mini += data.ljust(n_sectors * 64, b"\0")

    def sectors(data: bytes, fill: bytes = b"\0") -> list[bytes]:
        return [data[at : at + 512].ljust(512, fill) for at in range(0, len(data), 512)]

    number = {name: index for index, name in enumerate(names)}
    none = 0xFFFFFFFF

    def entry(name: str) -> bytes:
        raw = name.rsplit("/", maxsplit=1)[-1].encode("utf-16-le") + b"\0\0"
        kind = 5 if name == "Root Entry" else 1 if name in folders else 2
        child = number[inside[name][0]] if inside.get(name) else none
        start, size = (0, len(mini)) if kind == 5 else (starts.get(name, 0), len(streams.get(name, b"")))
        after = number[following[name]] if name in following else none
        return raw.ljust(64, b"\0") + struct.pack("<HBBIII36xIQ", len(raw), kind, 1, none, after, child, start, size)

    ministream, minifat = sectors(mini), sectors(struct.pack(f"<{len(table)}I", *table), b"\xff")
    directory = sectors(b"".join(map(entry, names)))
    chains, fat = [], []
    for chain in (ministream, minifat, directory):
        chains.append(len(fat))
        fat += [*range(len(fat) + 1, len(fat) + len(chain)), 0xFFFFFFFE]
    fat.append(0xFFFFFFFD)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack(
            "<HHHHH6xIIIIIIIIII",
            0x3E,
            3,
            0xFFFE,
            9,
            6,
            0,
            1,
            chains[2],
            0,
            4096,
            chains[1],
            len(minifat),
            0xFFFFFFFE,
            0,
            len(fat) - 1,
        )
    )
    return (
        header.ljust(512, b"\xff")
        + b"".join([*ministream, *minifat, *directory])
        + struct.pack(f"<{len(fat)}I", *fat).ljust(512, b"\xff")
    )


def test_outlooks_messages_are_read(readers: Readers) -> None:
    def properties(head: int, *ids: int) -> bytes:
        return bytes(head) + b"".join(
            struct.pack("<IIQ", (each << 16) | (0x102 if each == 0x3701 else 0x1F), 6, 99) for each in ids
        )

    attached = "__attach_version1.0_#00000000"
    data = compound(
        {
            "__properties_version1.0": properties(32, 0x37, 0x1000, 0x0C1A),
            "__substg1.0_0037001F": "Größe".encode("utf-16-le"),
            "__substg1.0_0C1A001F": "Ann".encode("utf-16-le"),
            "__substg1.0_1000001F": "Dear Bob,\r\n\r\nsee below.".encode("utf-16-le"),
            f"{attached}/__properties_version1.0": properties(8, 0x3707, 0x3701)
            + struct.pack("<IIQ", 0x37050003, 6, 1),
            f"{attached}/__substg1.0_3707001F": "plan.md".encode("utf-16-le"),
            f"{attached}/__substg1.0_37010102": b"# Plan\n\nGrow.",
        }
    )
    parts = readers.documents("a.msg", data)
    assert [part.failed for part in parts] == [None, None]
    assert parts[0].extracted.text.startswith("Subject: Größe")
    assert parts[0].extracted.text.endswith("Dear Bob,\n\nsee below.\n\nAttachments: plan.md")
    assert (parts[1].name, parts[1].extracted.text) == ("plan.md", "# Plan\n\nGrow.")


def test_notebooks_give_cells_with_numbers_and_outputs(readers: Readers) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {"cell_type": "code", "source": "print(1)", "outputs": [
            {"output_type": "stream", "text": ["1\n"]}, {"data": {"image/png": "aGVs", "text/plain": "<Figure>"}},
            {"ename": "E", "evalue": "bad"},
        ]},
        {"cell_type": "raw", "source": "raw"}, "no cell", {"source": 5},
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {"language_info": {"name": "python"}}}
    extracted = readers.read("a.ipynb", json.dumps(notebook).encode())
    assert (
        extracted.text
        == "# Title\nwords\n\n```python\nprint(1)\n```\n\n```\n1\n```\n\n```\n<Figure>\n```\n\n```\nE: bad\n```\n\nraw"
    )
    assert extracted.is_markdown
    assert extracted.title == "Title"
    assert [mark.heading for mark in extracted.marks] == ["Title > cell 1", "Title > cell 2", "Title > cell 3"]
    with pytest.raises(ReadFailure, match="no notebook"):
        readers.read("a.ipynb", b"[1]")


def test_json_gives_a_line_for_each_value_behind_its_path(readers: Readers) -> None:
    data = {
        "name": "Bolt",
        "tags": ["a", "b"],
        "sizes": [{"mm": 3, "ok": True}, {"mm": 4, "note": None}],
        "word": "\u4e2d",
    }
    extracted = readers.read("a.json", json.dumps(data).encode())
    assert extracted.text == "name: Bolt\n\ntags: a, b\n\nsizes.1.mm: 3\nsizes.1.ok: true\nsizes.2.mm: 4\n\nword: 中"
    assert [mark.heading for mark in extracted.marks] == ["name", "tags", "sizes", "word"]
    assert readers.read("a.json", b"// not JSON\n{}").text == "// not JSON\n{}"
    lines = readers.read("a.jsonl", b'{"q": "one"}\n\nbroken {\n{"q": "two", "n": 2}\n')
    assert lines.text == "q: one\n\nbroken {\n\nq: two\nn: 2"
    assert [mark.heading for mark in lines.marks] == ["record 1", "record 3", "record 4"]


def test_xml_gives_its_text_under_the_path_of_its_elements(readers: Readers) -> None:
    item = '<item id="7"><name>Café</name><p>Two <b>bold</b> words</p></item>'
    data = f'<?xml version="1.0" encoding="iso-8859-1"?><shop>{item}</shop>'
    extracted = readers.read("a.xml", data.encode("iso-8859-1"))
    assert extracted.text == "id: 7\nname: Café\nTwo bold words"
    assert [mark.heading for mark in extracted.marks] == ["shop > item 7"]
    assert readers.read("a.xml", b"<a>not closed").text == "<a>not closed"
