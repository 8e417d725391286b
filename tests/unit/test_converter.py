"""A command of the owner's reads what our readers cannot, within limits of its own."""

import json
import sys
import time
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from ingest.readers import ReadFailure, Skip
from ingest.worker.pool import Readers
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Store

# A page that is one image of one pixel, as a scanner makes them.
SCAN = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 24>>stream\n100 0 0 100 0 0 cm /I Do\nendstream endobj\n"
    b"5 0 obj<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n"
    b"x\nendstream endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%EOF"
)


def converting(program: str, **more: object) -> Readers:
    return Readers(IngestSettings(converter=(sys.executable, "-c", program), workers=1, **more))


def test_a_scan_is_named_as_such_without_a_converter() -> None:
    with (
        Readers(IngestSettings(workers=1)) as readers,
        pytest.raises(ReadFailure, match=r"^scanned: .*ingest\.converter"),
    ):
        readers.read("a.pdf", SCAN)


def test_a_scan_is_read_by_the_converter_and_nothing_else_is() -> None:
    program = "import sys; data = open(sys.argv[1], 'rb').read(); print(f'# Page\\n\\nIt has {len(data)} bytes.')"
    with converting(program) as readers:
        extracted = readers.read("dir/a.PDF", SCAN)
        assert extracted.text == f"# Page\n\nIt has {len(SCAN)} bytes.\n"
        assert [mark.heading for mark in extracted.marks] == ["Page"]
        assert not extracted.has_lines
        assert readers.read("b.md", b"# Ours").text == "# Ours"


@pytest.mark.parametrize("name", ["scan.png", "dir/photo.JPG", "fax.tiff"])
def test_images_are_read_by_the_converter(name: str) -> None:
    with converting("import sys; print(open(sys.argv[1], 'rb').read().decode(), sys.argv[1][-4:].lower())") as readers:
        assert readers.read(name, b"\x7fpixels").text == f"\x7fpixels {name[-4:].lower()}\n"


@pytest.mark.parametrize("command", [(), (sys.executable, "-c", "print('# Fax')")])
def test_images_are_documents_where_something_reads_them(
    store: Store, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/fax.tiff").write_bytes(b"pixels")
    (tmp_path / "docs/film.mp4").write_bytes(b"pixels")
    settings = IngestSettings(converter=command, workers=1)
    done = ingest([tmp_path / "docs"], collection="default", store=store, encoder=FakeEncoder(), settings=settings)
    skipped = {each.path: each.reason for each in done.skipped}
    assert skipped.pop("film.mp4") == "not a document type (.mp4)"
    hint = "not a document type (.tiff); set ingest.converter to a command that reads images"
    assert (done.new, skipped) == ((1, {}) if command else (0, {"fax.tiff": hint}))


def test_files_with_its_suffixes_go_to_the_converter_and_pages_are_marked() -> None:
    pages = json.dumps({"title": "Minutes", "pages": ["First page.", "", "Third page."]})
    with converting(f"print({pages!r})", converter_suffixes=(".docx",)) as readers:
        extracted = readers.read("a.docx", b"no zip at all")
    assert extracted.text == "First page.\n\nThird page."
    assert [(mark.page, mark.start) for mark in extracted.marks] == [(1, 0), (3, 13)]
    assert extracted.title == "Minutes"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit(3)", r"^ingest\.converter ended with status 3 on it$"),
        ("import os; os.kill(os.getpid(), 9)", r"^ingest\.converter ended with status -9"),
        ("import time; time.sleep(60)", r"^ingest\.converter timed out: not done in 4 s"),
        ("import os, time; os.close(1); time.sleep(60)", r"^ingest\.converter timed out"),
        ("print('x' * 10**6)", r"^ingest\.converter wrote more than"),
        ("bytearray(2**30)", r"^ingest\.converter ended with status 1"),
        ("print('{}')", r"^ingest\.converter wrote JSON without pages"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", r"^ingest\.converter wrote no UTF-8"),
    ],
)
def test_a_converter_that_fails_costs_one_file(program: str, reason: str) -> None:
    limits = {"converter_timeout_s": 4.0, "max_text_chars": 1000, "converter_memory_bytes": 2**29}
    began = time.monotonic()
    with converting(program, **limits) as readers:
        with pytest.raises(ReadFailure, match=reason):
            readers.read("a.pdf", SCAN)
        assert readers.read("b.md", b"# Next").text == "# Next"
    assert time.monotonic() - began < 20


def test_a_converter_that_finds_nothing_or_does_not_exist_is_told() -> None:
    with converting("") as readers, pytest.raises(Skip, match="found no text"):
        readers.read("a.pdf", SCAN)
    missing = Readers(IngestSettings(converter=("/no/such/program",), workers=1))
    with missing as readers, pytest.raises(ReadFailure, match=r"cannot be started.*'/no/such/program'"):
        readers.read("a.pdf", SCAN)


def test_what_a_converter_has_started_ends_with_it(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time; time.sleep(2); open({str(alive)!r}, 'w')"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('# Done')"
    with converting(program, converter_timeout_s=1.0) as readers, pytest.raises(ReadFailure, match="timed out"):
        readers.read("a.pdf", SCAN)  # the child holds the pipe open
    time.sleep(2.5)
    assert not alive.exists()
