"""Pages of PDFs as pictures: the quote highlighted, and limits that hold."""

import asyncio
import io
import os
import runpy
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from rag.errors import Overloaded
from rag.pdf import Page, PageRenderer, Unrendered

make_pdf = runpy.run_path(str(Path(__file__).with_name("test_readers.py")))["make_pdf"]
HUGE = make_pdf("A line on a page of seven hundred metres").replace(b"[0 0 612 792]", b"[0 0 2000000 2000000]")
LINE = make_pdf("A line on a page that is a line").replace(b"[0 0 612 792]", b"[0 0 2000000 20]")


def render(data: bytes, number: int, quote: str, **options: object) -> Page:
    return asyncio.run(PageRenderer(**options).render(data, number, quote))


def n_highlighted(page: Page) -> int:
    picture = Image.open(io.BytesIO(page.png)).convert("RGB")
    return sum(n for n, (red, green, blue) in picture.getcolors(2**24) if red > 240 and green > 200 and blue < 150)


def test_a_quote_is_highlighted_where_it_stands() -> None:
    page = render(make_pdf("Above all, the sensor is dry."), 1, "the  sensor\nis dry.")
    assert (page.number, page.is_marked) == (1, True)
    assert n_highlighted(page) > 1000
    picture = Image.open(io.BytesIO(page.png)).convert("RGB")
    assert picture.size == (1200, 1553)
    left = picture.crop((0, 0, 200, picture.height))  # "Above all," begins at 141 pixels
    assert not any(color[2] < 150 < color[0] for _, color in left.getcolors(2**24))


def test_a_quote_is_found_on_a_page_behind_the_start_of_its_chunk() -> None:
    data = make_pdf("One", "Two", "The third page says it.", "Four")
    assert render(data, 1, "The third page says it.").number == 3
    page = render(data, 2, "Nothing says this.")
    assert (page.number, page.is_marked, n_highlighted(page)) == (2, False, 0)


def test_a_quote_that_goes_on_on_the_next_page_is_highlighted_where_it_begins() -> None:
    page = render(
        make_pdf("It begins on this page and", "ends on that one."), 1, "begins on this page and\n\nends on that one."
    )
    assert (page.number, page.is_marked) == (1, True)
    assert n_highlighted(page) > 1000


@pytest.mark.parametrize("data", [HUGE, LINE], ids=["huge", "line"])
def test_the_size_of_a_picture_is_bounded_whatever_the_page_is(data) -> None:
    width, height = Image.open(io.BytesIO(render(data, 1, "A line").png)).size
    assert width * height <= 2_500_000
    assert max(width, height) <= 25_000


@pytest.mark.parametrize(
    ("data", "number", "reason"),
    [
        (b"", 1, "no PDF"),
        (b"%PDF-1.7 and no more", 1, "no PDF"),
        (make_pdf("x"), 2, "no page 2"),
        (make_pdf("x"), 0, "no page 0"),
    ],
)
def test_what_cannot_be_rendered_says_why(data, number, reason) -> None:
    with pytest.raises(Unrendered, match=reason):
        render(data, number, "x")


WORKERS = {
    "hangs": ("import time; time.sleep(60)", "in 0.5 s"),
    "dies": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "broke down"),
    "says nothing": ("", "broke down"),
    "says too much": ("import os\nwhile True: os.write(1, b'x' * 65536)", "too large"),
    "fails after its answer": ("import sys; print('{}'); sys.exit(3)", "broke down"),
}


@pytest.mark.parametrize("case", WORKERS)
def test_a_pdf_that_ends_its_renderer_is_not_shown(tmp_path: Path, case: str) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKERS[case][0])
    with pytest.raises(Unrendered, match=WORKERS[case][1]):
        render(make_pdf("x"), 1, "x", worker=worker, timeout_s=0.5 if case == "hangs" else 20)


def test_a_pdf_that_takes_too_much_memory_is_not_shown() -> None:
    with pytest.raises(Unrendered, match="MiB of memory"):
        render(make_pdf("x") + b" " * (400 * 2**20), 1, "x", memory_bytes=600 * 2**20)


def test_a_page_is_rendered_once_and_a_crowd_is_refused(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    worker = tmp_path / "worker.py"
    worker.write_text(
        f"import sys, time\nopen({str(runs)!r}, 'a').write('x')\nsys.stdin.buffer.read()\ntime.sleep(0.2)\n"
        'print(\'{"page": 1, "is_marked": false}\')'
    )

    async def crowd() -> list[object]:
        renderer = PageRenderer(worker=worker)
        assert await renderer.render(b"one", 1, "") == await renderer.render(b"one", 1, "")
        many = (renderer.render(b"many", number, "") for number in range(20))
        return await asyncio.gather(*many, return_exceptions=True)

    results = asyncio.run(crowd())
    assert sum(isinstance(each, Overloaded) for each in results) == 4
    assert sum(isinstance(each, Page) for each in results) == 16
    assert len(runs.read_text()) == 17


def test_what_failed_is_not_tried_again_at_once(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import time; time.sleep(60)")

    async def twice() -> float:
        renderer = PageRenderer(worker=worker, timeout_s=0.5)
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(Unrendered, match=r"in 0\.5 s"):
                await renderer.render(b"x", 1, "")
        return time.monotonic() - began

    assert asyncio.run(twice()) < 0.3


@pytest.mark.bench
def test_every_pdf_that_breaks_readers_is_rendered_or_refused() -> None:
    files = sorted(Path(os.environ["RAG_BENCH_DATA"], "tricky_files", "pdf").glob("*.pdf"))
    shown = set()
    for file in files:
        with suppress(Unrendered):
            render(file.read_bytes(), 1, "Lorem ipsum dolor sit amet")
            shown.add(file.stem)
    assert {"minimal", "huge_page_2e6pt", "two_columns", "arabic", "pages_1000"} <= shown
