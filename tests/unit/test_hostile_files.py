"""No file stops, bloats or crashes a run: each bomb ends with one line, and the next file is read."""

import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import pytest

from ingest.worker.frames import Part
from ingest.worker.pool import Readers
from rag.settings import IngestSettings

MIB = 2**20
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x><p>&l9;</p><p>end</p></x>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY n SYSTEM "http://127.0.0.1:9/x">]>'
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    settings = IngestSettings(
        file_timeout_s=60,
        workers=1,
        max_file_bytes=16 * MIB,
        max_unpacked_bytes=64 * MIB,
        max_members=200,
        max_text_chars=8 * MIB,
        worker_memory_bytes=512 * MIB,
    )
    with Readers(settings) as opened:
        yield opened


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def docx(body: str, *parts: tuple[str, str], doctype: str = "") -> bytes:
    main = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
    rels = f'<Relationships xmlns="{PACKAGE}">{main}</Relationships>'
    text = f'{doctype}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    files = [("_rels/.rels", rels), ("word/document.xml", text), *parts]
    return zipped(*((name, content.encode()) for name, content in files))


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def texts(parts: tuple[Part, ...]) -> dict[str, str]:
    return {part.name: part.extracted.text for part in parts if part.extracted}


def reasons(parts: tuple[Part, ...]) -> dict[str, str]:
    found = {part.name: part.failed or part.skipped or "" for part in parts if not part.extracted}
    assert all(reason and "\n" not in reason and "Traceback" not in reason for reason in found.values())
    return found


def assert_still_reads(readers: Readers) -> None:
    assert readers.read("next.md", b"# The next file").text == "# The next file"


def test_a_zip_bomb_fails_and_its_neighbours_are_read(readers: Readers) -> None:
    parts = readers.documents(
        "a.zip", zipped(("bomb.txt", bytes(15 * MIB)), ("huge.txt", bytes(20 * MIB)), ("b.md", b"# Fine"))
    )
    assert texts(parts) == {"b.md": "# Fine"}
    assert {name: reason[:14] for name, reason in reasons(parts).items()} == {
        "bomb.txt": "over the limit", "huge.txt": "over the limit",
    }  # fmt: skip


def test_all_that_is_unpacked_is_bounded_together(readers: Readers) -> None:
    words = b"".join(b"%d words " % number for number in range(10**6))[: 12 * MIB]
    parts = readers.documents("a.zip", zipped(*((f"{number}.bib", words) for number in range(8))))
    found = reasons(parts)
    assert [each.split(",")[0].split(":")[1][:10] for each in found.values()] == [" more than"] * 5 + [" it unpack"] * 3
    assert_still_reads(readers)


def test_a_file_that_lies_about_its_size_is_damaged(readers: Readers) -> None:
    data = bytearray(zipped(("a.md", b"x" * 1000), ("b.md", b"fine")))
    at = data.index(b"PK\x01\x02") + 24  # the directory's uncompressed size of the first file
    data[at : at + 4] = (10).to_bytes(4, "little")
    parts = readers.documents("a.zip", bytes(data))
    assert reasons(parts) == {"a.md": "damaged: it cannot be unpacked"}
    assert texts(parts) == {"b.md": "fine"}


def test_archives_in_archives_end_at_a_depth(readers: Readers) -> None:
    data = zipped(("deepest.md", b"# Deep"))
    for depth in range(6):
        data = zipped((f"{depth}.zip", data), (f"{depth}.md", b"# Here"))
    parts = readers.documents("a.zip", data)
    assert list(texts(parts)) == ["5.zip/4.zip/3.md", "5.zip/4.md", "5.md"]
    assert reasons(parts) == {"5.zip/4.zip/3.zip": "it lies inside 3 others already"}


def test_an_archive_of_too_many_files_ends_at_the_limit(readers: Readers) -> None:
    parts = readers.documents("a.zip", zipped(*((f"{number}.md", b"# Text") for number in range(300))))
    assert len(texts(parts)) == 200
    assert reasons(parts)[""].startswith("over the limit: more than 200 files")


def test_paths_of_members_stay_inside_and_links_are_not_followed(readers: Readers) -> None:
    members = [
        (entry("../up.md"), b"x"), (entry("/etc/passwd.md"), b"x"), (entry("a/../../b.md"), b"x"),
        (entry("C:\\c.md"), b"x"), (entry("link.md", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (entry("hard.md", tarfile.LNKTYPE, "fine.md"), b""), (entry("pipe.md", tarfile.FIFOTYPE), b""),
        (entry("./fine.md"), b"# Fine"), (entry("fine.md"), b"# Again"), (entry("x\n\x1b[31m.md"), b"# Red"),
    ]  # fmt: skip
    for name, mode in (
        ("a.tar", "w"),
        ("a.tar.gz", "w:gz"),
        ("a.tgz", "w:gz"),
        ("a.tar.bz2", "w:bz2"),
        ("a.tar.xz", "w:xz"),
    ):
        parts = readers.documents(name, tarred(*members, mode=mode))
        assert texts(parts) == {"fine.md": "# Fine", "x��[31m.md": "# Red"}
        found = reasons(parts)
        leads_out = {each for each, reason in found.items() if "leads out" in reason}
        assert leads_out == {"../up.md", "etc/passwd.md", "a/../../b.md", "C:/c.md"}
        assert {each for each, reason in found.items() if "link or a device" in reason} == {
            "link.md",
            "hard.md",
            "pipe.md",
        }
        assert found["fine.md"] == "a second file of this name in the archive"


@pytest.mark.parametrize("packed", [lambda data: zlib.compress(data, 9, 31), lambda data: data])
def test_a_tar_that_is_cut_short_or_a_bomb_keeps_what_came_before(readers: Readers, packed) -> None:
    whole = tarred((entry("a.md"), b"# First"), (entry("huge.txt"), bytes(70 * MIB)))
    data = packed(whole)
    parts = readers.documents("a.tar", data if len(data) < MIB else data[: 3 * MIB])
    assert texts(parts) == {"a.md": "# First"}
    assert reasons(parts)
    assert_still_reads(readers)


@pytest.mark.parametrize("name", ["a.xml", "a.docx", "a.fodt", "a.html"])
def test_entities_are_not_expanded(readers: Readers, name: str) -> None:
    data = BILLION.encode()
    if name == "a.docx":
        data = docx(paragraph("&l9;") + paragraph("end"), doctype=BILLION[: BILLION.index("<x>")])
    parts = readers.documents(name, data)
    assert all(len(text) < 10_000 for text in texts(parts).values())
    assert_still_reads(readers)


@pytest.mark.parametrize("name", ["a.xml", "a.docx", "a.fodt", "a.epub"])
def test_nothing_outside_is_read(readers: Readers, name: str) -> None:
    data = f"{OUTSIDE}<x><p>start &e; &n; end</p></x>".encode()
    if name == "a.docx":
        data = docx(paragraph("start &e; &n; end"), doctype=OUTSIDE)
    elif name == "a.epub":
        data = zipped(("META-INF/container.xml", b'<container><rootfile full-path="../../../etc/passwd"/></container>'))
    for text in texts(readers.documents(name, data)).values():
        assert "root:" not in text
        assert text.startswith(("start", "p: start"))


def test_remote_templates_and_relations_are_not_fetched(readers: Readers) -> None:
    rels = (
        f'<Relationships xmlns="{PACKAGE}">'
        f'<Relationship Id="a" Type="{OFFICE}/attachedTemplate" Target="http://127.0.0.1:9/t" TargetMode="External"/>'
        f'<Relationship Id="b" Type="{OFFICE}/styles" Target="file:///etc/passwd" TargetMode="External"/>'
        f'<Relationship Id="c" Type="{OFFICE}/footnotes" Target="../../../../etc/passwd"/></Relationships>'
    )
    data = docx(paragraph("The words."), ("word/_rels/document.xml.rels", rels))
    assert readers.read("a.docx", data).text == "The words."


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[" * 200_000 + b"]" * 200_000),
        ("a.json", b'{"a":' * 5000 + b"1" + b"}" * 5000),
        ("a.xml", b"<a>" * 100_000 + b"x" + b"</a>" * 100_000),
        ("a.fodt", b"<?xml version='1.0'?><office><text>" + b"<p>" * 50_000 + b"</p>" * 50_000 + b"</text></office>"),
        ("a.docx", docx("<w:sdt><w:sdtContent>" * 5000 + paragraph("x") + "</w:sdtContent></w:sdt>" * 5000)),
        ("a.ipynb", b'{"cells":' + b"[" * 100_000),
    ],
)
def test_deep_nesting_fails_in_one_line(readers: Readers, name: str, data: bytes) -> None:
    found = reasons(readers.documents(name, data))
    assert list(found) == [""]
    assert found[""].startswith("damaged")
    assert_still_reads(readers)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<div>" * 200_000 + b"deep" + b"</div>" * 200_000),
        ("a.md", b"> " * 100_000 + b"deep\n" + b"- " * 100_000 + b"deep"),
        (
            "a.eml",
            b"Subject: s\nContent-Type: multipart/mixed; boundary=a\n\n"
            + b"--a\nContent-Type: multipart/mixed; boundary=a\n\n" * 500,
        ),
        ("a.rtf", b"{\\rtf1 " + b"{" * 50_000 + b"deep" + b"}" * 50_000 + b"}"),
        ("a.csv", b'"' * 100_000 + b"a,b\n" * 1000),
        ("a.txt", b"x" * (8 * MIB)),
    ],
)
def test_deep_or_long_text_is_read_or_refused(readers: Readers, name: str, data: bytes) -> None:
    parts = readers.documents(name, data)
    assert texts(parts) or reasons(parts)
    assert_still_reads(readers)


def test_a_pdf_of_ten_thousand_pages_is_read(readers: Readers) -> None:
    kids = " ".join(f"{number} 0 R" for number in range(5, 10_005))
    font = "<</Font<</F1 4 0 R>>>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count 10000>>"]
    objects += ["<</Length 38>>stream\nBT /F1 12 Tf 72 700 Td (A page.) Tj ET\nendstream"]
    objects += ["<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    objects += [f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources{font}>>"] * 10_000
    data = "%PDF-1.4\n" + "".join(f"{number} 0 obj{each}endobj\n" for number, each in enumerate(objects, 1))
    extracted = readers.read("a.pdf", f"{data}trailer<</Root 1 0 R/Size 10005>>\n%%EOF".encode())
    assert len(extracted.marks) == 10_000
    assert extracted.text.count("A page.") == 10_000


def test_a_sheet_with_a_million_declared_rows_is_read(readers: Readers) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["Name", "Price"])
    book.active.append(["Bolt", 3])
    book.active.cell(1_048_576, 2, "last")
    book.save(out)
    text = readers.read("a.xlsx", out.getvalue()).text
    assert "Name: Bolt | Price: 3" in text
    assert text.endswith("last")
    sheet = "".join(f'<row r="{number}"/>' for number in range(3, 200_000))
    files = []
    with zipfile.ZipFile(out) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("sheet1.xml"):
                data = data.replace(b'<row r="1048576"', sheet.encode() + b'<row r="1048576"')
            files.append((name, data))
    parts = readers.documents("a.xlsx", zipped(*files))
    assert texts(parts).get("", "").endswith("last") or reasons(parts)
    assert_still_reads(readers)


def test_more_text_than_allowed_is_refused(readers: Readers) -> None:
    data = json.dumps(["word " * 1000] * 2000).encode()
    assert reasons(readers.documents("a.json", data))[""].startswith("over the limit: more than 8388608 characters")
