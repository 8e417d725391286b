"""The child process that renders a page of a PDF, so that a hostile one can at worst end this process.

Started by path and importing nothing of ours: it must be small, quick to start, and independent of the folder it is
started in. On stdin it takes a line of JSON, {"page": number, "quote": text}, and then a PDF. On stdout it gives a line
of JSON, {"page": number, "is_marked": boolean} or {"error": reason}, and then a PNG.
"""

import io
import json
import math
import resource
import sys
import unicodedata
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

_WIDTH_PIXELS = 1200
_MOST_PIXELS = 2_500_000
_LARGEST_SCALE = 4  # of small pages
_PAGES_SEARCHED = 12  # a chunk may begin this many pages before the quote
_LEAST_BEGINNING_CHARS = 12  # of a quote that goes on on the next page
_MOST_CHARS = 200_000  # of one page
_MARK = (255, 225, 120, 255)  # multiplied with what is below it


def render(data: bytes, number: int, quote: str) -> tuple[dict[str, object], bytes]:
    """The answer for one page, and its picture."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return {"error": "the file is no PDF that opens without a password"}, b""
    if not 1 <= number <= len(document):
        return {"error": f"it has no page {number}"}, b""
    try:
        found, rectangles = _found(document, number, quote)
        page = document[found - 1]
        for left, bottom, right, top in rectangles:
            _mark(page, left, bottom, right, top)
        return {"page": found, "is_marked": bool(rectangles)}, _picture(page)
    except pypdfium2.PdfiumError:
        return {"error": f"its page {number} is damaged"}, b""


def _found(document: "pypdfium2.PdfDocument", number: int, quote: str) -> tuple[int, list[tuple[float, ...]]]:
    """The page on which the quote begins, and the rectangles that it fills there; none: it is on no page."""
    wanted = "".join(_letters(quote))
    for candidate in range(number, min(number + _PAGES_SEARCHED, len(document) + 1)):
        if not wanted:
            break
        page = document[candidate - 1]
        text = page.get_textpage()
        rectangles = _rectangles(text, wanted)
        text.close()
        page.close()
        if rectangles:
            return candidate, rectangles
    return number, []


def _rectangles(text: "pypdfium2.PdfTextPage", wanted: str) -> list[tuple[float, ...]]:
    letters: list[str] = []
    places: list[int] = []
    for place in range(min(text.count_chars(), _MOST_CHARS)):
        for letter in _letters(chr(pdfium.FPDFText_GetUnicode(text, place))):
            letters.append(letter)
            places.append(place)
    line = "".join(letters)
    start, length = line.find(wanted), len(wanted)
    if start < 0:
        ends = (n for n in range(len(wanted) - 1, _LEAST_BEGINNING_CHARS, -1) if line.endswith(wanted[:n]))
        length = next(ends, 0)
        if not length:
            return []
        start = len(line) - length
    first, last = places[start], places[start + length - 1]
    return [text.get_rect(index) for index in range(text.count_rects(first, last - first + 1))]


def _letters(text: str) -> Iterator[str]:
    """What of a text is the same however a page breaks its lines."""
    for char in unicodedata.normalize("NFKC", text):
        if not char.isspace() and unicodedata.category(char)[0] != "C" and char not in "-\u2010\ufffe":
            yield char


def _mark(page: "pypdfium2.PdfPage", left: float, bottom: float, right: float, top: float) -> None:
    rectangle = pdfium.FPDFPageObj_CreateNewRect(left - 1, bottom - 1, right - left + 2, top - bottom + 2)
    pdfium.FPDFPageObj_SetFillColor(rectangle, *_MARK)
    pdfium.FPDFPath_SetDrawMode(rectangle, pdfium.FPDF_FILLMODE_WINDING, False)
    pdfium.FPDFPageObj_SetBlendMode(rectangle, b"Multiply")
    pdfium.FPDFPage_InsertObject(page, rectangle)


def _picture(page: "pypdfium2.PdfPage") -> bytes:
    width, height = page.get_size()
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise pypdfium2.PdfiumError("a page without a size")
    scale = min(_WIDTH_PIXELS / width, math.sqrt(_MOST_PIXELS / width / height), _LARGEST_SCALE)
    # A page may be a line: many times longer than it is wide.
    scale = min(scale, _MOST_PIXELS / 100 / max(width, height))
    picture = io.BytesIO()
    page.render(scale=scale).to_pil().save(picture, "PNG")
    return picture.getvalue()


def main() -> None:
    """Nothing; answers and ends. Arguments: the most bytes of memory that this process may take."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wanted = json.loads(sys.stdin.buffer.readline())
    try:
        answer, png = render(sys.stdin.buffer.read(), int(wanted["page"]), str(wanted["quote"]))
    except MemoryError:
        answer, png = {"error": f"its page takes more than {limit // 2**20} MiB of memory to render"}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + png)


if __name__ == "__main__":
    main()
