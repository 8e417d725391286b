"""The child process that reads PDFs, so that a hostile one can at worst end this process.

Started by path and importing nothing of ours: it must be small, quick to start, and independent of the folder it
is started in. Each request on stdin is a length (8 bytes, little-endian) and that many bytes of a PDF. Each answer
on stdout is a length (8 bytes) and JSON: {"pages": [text, ...], "title": text} or {"error": reason}.
"""

import json
import re
import resource
import sys

import pypdfium2

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")  # how pdfium marks a word that is broken at the end of a line
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def read(data: bytes) -> dict[str, object]:
    """The answer for one PDF."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            return {"error": "encrypted: it opens only with a password; save a copy without one"}
        return {"error": "damaged: it is no readable PDF, or it has no pages"}
    try:
        return _answer(document)
    finally:
        document.close()


def _answer(document: "pypdfium2.PdfDocument") -> dict[str, object]:
    pages, n_broken = [], 0
    for number in range(len(document)):
        try:
            pages.append(_page_text(document, number))
        except pypdfium2.PdfiumError:
            pages.append("")
            n_broken += 1
    if not any(page.strip() for page in pages):
        if n_broken:
            return {"error": f"damaged: {n_broken} of its {len(pages)} pages cannot be read and no other has text"}
        return {"error": "has no text layer (scanned?): run OCR on it first"}
    title = document.get_metadata_value("Title")
    return {"pages": pages, "title": " ".join(_UNREADABLE.sub("", title).split())}


def _page_text(document: "pypdfium2.PdfDocument", number: int) -> str:
    page = document[number]
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_bounded()
    finally:
        text_page.close()
        page.close()
    return _UNREADABLE.sub("", _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def main() -> None:
    """Nothing; answers until stdin ends. Arguments: the most bytes of memory that this process may take."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while header := requests.read(8):
        data = requests.read(int.from_bytes(header, "little"))
        try:
            answer = read(data)
        except MemoryError:
            answer = {"error": f"takes more than {limit // 2**20} MiB of memory to read"}
        encoded = json.dumps(answer).encode()
        answers.write(len(encoded).to_bytes(8, "little") + encoded)
        answers.flush()


if __name__ == "__main__":
    main()
