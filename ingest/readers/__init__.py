"""Files to text: which reader reads which file."""

from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

from ingest.readers.base import Extracted, Mark, Reader, ReadFailure, Skip
from ingest.readers.decode import is_binary
from ingest.readers.html import HtmlReader
from ingest.readers.markdown import MarkdownReader
from ingest.readers.pdf import PdfReader
from ingest.readers.text import PythonReader, TextReader

__all__ = ["Extracted", "Mark", "ReadFailure", "Reader", "Readers", "Skip", "is_document_name"]

_HEAD_BYTES = 8192
_KINDS = {
    "markdown": ".md .markdown .mdown .mkd .mdx .qmd .rmd",
    "html": ".html .htm .xhtml",
    "python": ".py .pyi",
    "pdf": ".pdf",
    "text": """.txt .text .rst .adoc .org .tex .log .csv .tsv .json .jsonl .yaml .yml .toml .ini .cfg .conf .xml .sql
        .sh .bash .js .mjs .ts .tsx .jsx .css .c .h .cc .cpp .hpp .cs .go .rs .java .kt .scala .rb .php .pl .lua .r""",
}
_SUFFIXES = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
# Told by their names, so that a large archive is not opened for nothing and a false one is not taken for text.
_OTHERS = """.doc .docx .xls .xlsx .ppt .pptx .odt .ods .odp .epub .mobi .rtf .pages .numbers .key .zip .gz .bz2 .xz
    .zst .7z .rar .tar .tgz .jar .war .whl .deb .rpm .iso .dmg .png .jpg .jpeg .gif .webp .bmp .tif .tiff .ico .svg .psd
    .mp3 .mp4 .m4a .wav .ogg .flac .avi .mov .mkv .webm .ttf .otf .woff .woff2 .exe .dll .so .dylib .o .a .class .pyc
    .pyo .db .sqlite .sqlite3 .faiss .parquet .npy .npz .pkl .pt .safetensors .gguf .onnx .bin .lock .map"""
_NO_DOCUMENTS = frozenset(_OTHERS.split())


def is_document_name(path: str) -> bool:
    """Whether a file of this name may be a document; the rest is not opened."""
    return _suffix(path) not in _NO_DOCUMENTS


class Readers:
    """One reader of each kind. Leaving the block ends the child process of the PDF reader."""

    def __init__(self, timeout_s: float) -> None:
        """timeout_s: seconds in which one PDF must be read."""
        self._pdf = PdfReader(timeout_s)
        self._by_kind: dict[str, Reader] = {
            "markdown": MarkdownReader(),
            "html": HtmlReader(),
            "python": PythonReader(),
            "text": TextReader(),
            "pdf": self._pdf,
        }

    def read(self, path: str, data: bytes) -> Extracted:
        """The text of the file `path` with these bytes.

        Raises:
            ReadFailure: it should have some and it cannot be had; the message says why.
            Skip: there is nothing to read; the message says why.
        """
        if not data:
            raise Skip("empty")
        extracted = self._by_kind[_kind(path, data[:_HEAD_BYTES])].read(data)
        if not extracted.text[extracted.body :].strip():
            raise Skip("empty: it has nothing but white space" + (" behind its front matter" if extracted.body else ""))
        return extracted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pdf.close()


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _kind(path: str, head: bytes) -> str:
    suffix = _suffix(path)
    kind = _SUFFIXES.get(suffix)
    if head.startswith(b"%PDF-"):
        return "pdf"
    if kind is not None:
        return kind
    if is_binary(head):
        raise Skip(f"not a document type ({suffix or 'no suffix'}, binary)")
    start = head.lstrip()[:15].lower()
    return "html" if start.startswith((b"<!doctype html", b"<html")) else "text"
