"""Each reader gives the text and the marks that a file has, or says why it cannot."""

import time
from collections.abc import Iterator

import pytest

from ingest.readers import Extracted, Readers, ReadFailure, Skip
from ingest.readers import pdf as pdf_module
from ingest.readers.pdf import PdfReader


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    with Readers(20) as opened:
        yield opened


def headings(extracted: Extracted) -> list[tuple[str, str | None]]:
    """The first word at each mark, and its heading."""
    return [(extracted.text[mark.start :].split()[0], mark.heading) for mark in extracted.marks]


def make_pdf(*pages: str, title: str = "") -> bytes:
    """A PDF with these lines of text, one a page."""
    kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(len(pages)))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>"]
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {4 + 2 * number} 0 R"
            f"/Resources<</Font<</F1 {font}>>>>>>"
        )
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    objects.append(f"<</Title({title})>>")
    data, offsets = "%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj{each}endobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer<</Size {size}/Root 1 0 R/Info {len(objects)} 0 R>>\nstartxref\n{len(data)}\n%%EOF"
    return f"{data}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.py", "README", "a.unknown"])
def test_utf8_text_is_the_files_text_without_its_mark(readers: Readers, name: str) -> None:
    text = "Größe\r\n\r\n东京\ttab \u2028 \x0c end\r\n\n"
    assert readers.read(name, text.encode()).text == text
    assert readers.read(name, b"\xef\xbb\xbf" + text.encode()).text == text
    assert readers.read(name, b"\xff\xfe" + text.encode("utf-16-le")).text == text
    assert readers.read(name, b"\xfe\xff" + text.encode("utf-16-be")).text == text


def test_western_text_is_decoded_and_the_rest_refused_with_its_offset(readers: Readers) -> None:
    assert readers.read("a.txt", "“naïve” café".encode("cp1252")).text == "“naïve” café"
    with pytest.raises(ReadFailure, match=r"not UTF-8 at byte 3.*iconv"):
        readers.read("a.txt", b"abc" + "中文维基百科是一个".encode("gb18030"))
    with pytest.raises(ReadFailure, match="not UTF-8 at byte 1"):
        readers.read("a.md", b"a\xff with a control byte\x01 and more ASCII text around it")
    with pytest.raises(ReadFailure, match="UTF-16 but not UTF-16"):
        readers.read("a.txt", b"\xff\xfea\x00b")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"", "^empty$"),
        ("a.md", b" \n\t\n", "^empty"),
        ("a.html", b"<script>1</script>", "^empty"),
        ("a.txt", b"text\0text", "^binary$"),
        ("a.dat", b"text\0text", r"^not a document type \(.dat, binary\)$"),
        ("program", b"\x7fELF\x02\x01\x01\0\0", "^not a document type"),
    ],
)
def test_what_holds_no_text_is_skipped(readers: Readers, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Skip, match=reason):
        readers.read(name, data)


def test_markdown_headings(readers: Readers) -> None:
    text = (
        "---\ntitle: Front\n# no heading\n---\nintro\n\n# One `code` { #one }\n\n## [Two](x.md) **bold** ##\n```sh\n"
        "# not a heading\n```\n~~~\n# nor this\n```\n~~~\nSetext *one*\n===\n\nsub_name_x\n---\n\n- item\n---\n"
        "    # indented\n#no space\n#### Deep\n"
    )
    extracted = readers.read("dir/a.md", text.encode())
    assert [mark.heading for mark in extracted.marks] == [
        "One code",
        "One code > Two bold",
        "Setext one",
        "Setext one > sub_name_x",
        "Setext one > sub_name_x > Deep",
    ]
    assert [text[mark.start :].split("\n", maxsplit=1)[0][:6] for mark in extracted.marks] == [
        "# One ", "## [Tw", "Setext", "sub_na", "#### D",
    ]  # fmt: skip
    assert extracted.title == "One code"
    assert readers.read("a.md", b"---\ntitle: 'Front'\n---\n## Two\n").title == "Front"
    assert readers.read("a.md", b"## Two\n").title is None
    assert readers.read("a.md", b"# A\r\n\r\nB\r\n---\r\n").marks[1].heading == "A > B"


@pytest.mark.parametrize(
    "data",
    [
        b"# " + b" " * 200_000 + b"x #\n",
        b"# " + b"[" * 100_000,
        b"# " + b"*a" * 100_000,
        b"---\n" + b"title:" + b" " * 100_000 + b"\nx" * 1000,
    ],
)
def test_hostile_markdown_takes_no_long_time(readers: Readers, data: bytes) -> None:
    began = time.monotonic()
    readers.read("a.md", data)
    assert time.monotonic() - began < 2


def test_python_headings_are_the_enclosing_definitions(readers: Readers) -> None:
    text = "import x\n\nclass A(B):\n    def f(self): pass\n\n    async def g(self): ...\n\ndef h():\n    pass\n"
    extracted = readers.read("a.py", text.encode())
    assert [mark.heading for mark in extracted.marks] == ["A", "A > f", "A > g", "h"]
    assert extracted.text == text


def test_html_shows_what_a_reader_sees(readers: Readers) -> None:
    page = """<!doctype html><html><head><title>The
      Page</title><style>p {}</style></head><body><nav>menu</nav><h1>Main <b>head</b></h1>
      <p>One   &amp; <a href=x>two</a>,<br>three<p hidden>secret<p>four
      <div style="display: none">gone<div>too</div></div>
      <ul><li>a<li hidden>b<ul><li>c</ul><li>d</ul><h2>Sub</h2><table><tr><td>x</td><td>y</td></tr></table>
      <pre>  kept
    as is</pre><script>if (a < b) { document.write("<p>no") }</script>end</body></html>"""
    extracted = readers.read("a.html", page.encode())
    assert extracted.text == (
        "Main head\n\nOne & two,\nthree\n\nfour\n\na\nd\n\nSub\n\nx y\n\n  kept\n    as is\n\nend"
    )
    assert extracted.title == "The Page"
    assert headings(extracted) == [("Main", "Main head"), ("Sub", "Main head > Sub")]
    assert not extracted.has_lines


def test_html_character_sets(readers: Readers) -> None:
    declared = '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-6"><h1>وأعرب</h1>'
    assert readers.read("a.html", declared.encode("iso-8859-6")).text == "وأعرب"
    assert readers.read("a.html", '<meta charset="latin1"><p>“é”'.encode("cp1252")).text == "“é”"
    assert readers.read("a.html", '<meta charset="utf-7-what"><p>é'.encode()).text == "é"
    assert readers.read("a.html", '<meta charset="latin1"><p>é'.encode("utf-8-sig")).text == "é"
    assert readers.read("no suffix", b"<!DOCTYPE html><title>T</title><p>x").title == "T"


@pytest.mark.parametrize("piece", [b"<a ", b"<!--", b"</", b"<![CDATA[", b"<?", b"<div>", b"&#", b"<p hidden>"])
def test_hostile_html_takes_no_long_time(readers: Readers, piece: bytes) -> None:
    began = time.monotonic()
    try:
        assert readers.read("a.html", b"<p>first</p>" + piece * 50_000).text.startswith("first")
    finally:
        assert time.monotonic() - began < 5


def test_pdf_pages_are_marked(readers: Readers) -> None:
    extracted = readers.read("a.pdf", make_pdf("first page", "", "third page", title="The title"))
    assert extracted.text == "first page\n\n\n\nthird page"
    assert [(mark.page, mark.start) for mark in extracted.marks] == [(1, 0), (2, 12), (3, 14)]
    assert extracted.title == "The title"
    assert readers.read("no suffix", make_pdf("found by its bytes")).text == "found by its bytes"


def test_pdfs_without_text_are_refused(readers: Readers) -> None:
    with pytest.raises(ReadFailure, match="no text layer"):
        readers.read("a.pdf", make_pdf(" "))
    with pytest.raises(ReadFailure, match=r"^damaged"):
        readers.read("a.pdf", b"%PDF-1.7 and no more")
    assert readers.read("a.pdf", make_pdf("still works")).text == "still works"


WORKERS = {
    "hangs": "import time; time.sleep(60)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "cuts its answer short": "import sys; sys.stdout.buffer.write((99).to_bytes(8, 'little') + b'{')",
}


@pytest.mark.parametrize(
    ("worker", "reason"),
    [("hangs", "timed out"), ("dies", "parser ended with status -11"), ("cuts its answer short", "parser ended")],
)
def test_a_pdf_that_ends_its_reader_fails_alone(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, worker: str, reason: str
) -> None:
    script = tmp_path_factory.mktemp("worker") / "worker.py"
    script.write_text(WORKERS[worker])
    reader = PdfReader(0.5 if worker == "hangs" else 20)
    monkeypatch.setattr(pdf_module, "_WORKER", script)
    with pytest.raises(ReadFailure, match=reason):
        reader.read(make_pdf("text"))
    monkeypatch.undo()
    reader._timeout_s = 20
    assert reader.read(make_pdf("the next one is read")).text == "the next one is read"
    reader.close()


def test_a_pdf_that_takes_too_much_memory_fails_alone() -> None:
    reader = PdfReader(20, memory_bytes=300 * 2**20)
    with pytest.raises(ReadFailure, match=r"300 MiB|parser ended"):
        reader.read(make_pdf("x") + b" " * (400 * 2**20))
    assert reader.read(make_pdf("small")).text == "small"
    reader.close()
