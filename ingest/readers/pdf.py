"""PDFs with a text layer, page by page. What a reader of the page cannot see is left out."""

import re
from collections.abc import Iterator

import pypdfium2
from pypdfium2 import raw

from ingest.readers.base import Extracted, Mark, ReadFailure, Skip
from ingest.readers.pdf_seen import address, drawn_on, hidden_texts

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_NO_PAGES = re.compile(rb"/Count\s+0\b")
_PAGE = re.compile(rb"/Type\s*/Page\b")
_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")  # how pdfium marks a word that is broken at the end of a line
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BREAK = "\n\n"  # between pages
_LOOKED_AT = 2000  # characters of a page by which it is told whether they mean anything
_NONSENSE_SHARE = 0.5
_SCANNED = "scanned: page images without text; set ingest.converter to a command that reads images"


class PdfReader:
    """PDFs. Scanned ones are told as such."""

    def read(self, data: bytes) -> Extracted:
        """The text of all pages, a mark at each page's start."""
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            # pdfium's code may be of an earlier file: it sets none for every failure.
            if getattr(error, "err_code", None) == _PASSWORD and b"/Encrypt" in data:
                raise ReadFailure("encrypted: it opens only with a password; save a copy without one") from None
            if _NO_PAGES.search(data) and not _PAGE.search(data):
                raise Skip("empty: it has no pages") from None
            raise ReadFailure("damaged: it is no readable PDF, or it has no pages") from None
        try:
            return _Pages(document).extracted()
        finally:
            document.close()


class _Pages:
    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self._n_broken = 0
        self._n_nonsense = 0
        self._has_images = False

    def extracted(self) -> Extracted:
        pages = [self._text(number) for number in range(len(self._document))]
        if not any(page.strip() for page in pages):
            self._refuse(len(pages))
        marks, length = [], 0
        for number, page in enumerate(pages, 1):
            marks.append(Mark(start=length, page=number))
            length += len(page) + len(_BREAK)
        title = " ".join(_UNREADABLE.sub("", self._document.get_metadata_value("Title")).split())
        return Extracted(text=_BREAK.join(pages), title=title or None, marks=tuple(marks), has_lines=False)

    def _refuse(self, n_pages: int) -> None:
        if self._n_broken:
            raise ReadFailure(f"damaged: {self._n_broken} of its {n_pages} pages cannot be read and no other has text")
        if self._n_nonsense:
            raise ReadFailure("its fonts do not say which letters they show: print it to a new PDF, or run OCR on it")
        if self._has_images:
            raise ReadFailure(_SCANNED)
        raise Skip("empty: its pages show no text")

    def _text(self, number: int) -> str:
        try:
            page = self._document[number]
        except pypdfium2.PdfiumError:
            self._n_broken += 1
            return ""
        try:
            text_page = page.get_textpage()
        except pypdfium2.PdfiumError:
            self._n_broken += 1
            page.close()
            return ""
        try:
            return self._seen(page, text_page)
        finally:
            text_page.close()
            page.close()

    def _seen(self, page: pypdfium2.PdfPage, text_page: pypdfium2.PdfTextPage) -> str:
        n_chars = text_page.count_chars()
        drawn = drawn_on(page)
        self._has_images = self._has_images or any(each.kind == raw.FPDF_PAGEOBJ_IMAGE for each in drawn)
        if _is_nonsense(text_page, n_chars):
            self._n_nonsense += 1
            return ""
        if hidden := hidden_texts(page, drawn):
            text = "".join(_visible(text_page, n_chars, hidden))
        else:
            text = text_page.get_text_bounded()
        return _UNREADABLE.sub("", _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def _is_nonsense(text_page: pypdfium2.PdfTextPage, n_chars: int) -> bool:
    """Whether most characters are numbers of glyphs, which no table turns into letters."""
    looked_at = range(min(n_chars, _LOOKED_AT))
    letters = [code for index in looked_at if (code := raw.FPDFText_GetUnicode(text_page.raw, index)) > ord(" ")]
    n_unmapped = sum(raw.FPDFText_HasUnicodeMapError(text_page.raw, index) == 1 for index in looked_at)
    n_private = sum(0xE000 <= code <= 0xF8FF for code in letters)
    return bool(max(n_unmapped, n_private) > _NONSENSE_SHARE * max(1, len(letters)))


def _visible(text_page: pypdfium2.PdfTextPage, n_chars: int, hidden: frozenset[int]) -> Iterator[str]:
    was_hidden = False
    for index in range(n_chars):
        code = raw.FPDFText_GetUnicode(text_page.raw, index)
        if address(raw.FPDFText_GetTextObject(text_page.raw, index)) not in hidden:
            if was_hidden:
                yield "\n"
            was_hidden = False
            yield chr(code)
        else:
            was_hidden = True
