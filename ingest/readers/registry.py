"""Readers by kind, each with its libraries imported when the first file of the kind comes."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from ingest.readers.base import Extracted
from ingest.readers.container import Container

Read = Callable[[bytes], Extracted]
_READERS = {
    "markdown": "markdown.MarkdownReader",
    "text": "text.TextReader",
    "html": "html.HtmlReader",
    "python": "text.PythonReader",
    "code": "code.CodeReader",
    "pdf": "pdf.PdfReader",
    "docx": "docx.DocxReader",
    "pptx": "pptx.PptxReader",
    "xlsx": "xlsx.XlsxReader",
    "csv": "csv.CsvReader",
    "odf": "odf.OdfReader",
    "epub": "epub.EpubReader",
    "rtf": "rtf.RtfReader",
    "mail": "mail.MailReader",
    "msg": "msg.MsgReader",
    "notebook": "notebook.NotebookReader",
    "json": "json.JsonReader",
    "jsonl": "json.JsonLinesReader",
    "xml": "xml.XmlReader",
}
_CONTAINERS = {
    "mail": "mail.MailReader",
    "msg": "msg.MsgReader",
    "zip": "archive.ZipReader",
    "tar": "archive.TarReader",
}


class Registry:
    """One reader of each kind, made when it is needed."""

    def find(self, kind: str) -> tuple[Read | None, Container | None]:
        """What reads files of this kind as a document, and what gives the files inside them."""
        return _reader(kind), _container(kind)


@cache
def _reader(kind: str) -> Read | None:
    if kind not in _READERS:
        return None
    read: Read = _made(_READERS[kind]).read
    return read


@cache
def _container(kind: str) -> Container | None:
    if kind not in _CONTAINERS:
        return None
    found: Container = _made(_CONTAINERS[kind])
    return found


def _made(name: str) -> Any:  # noqa: ANN401  # the two callers know the protocol that the class keeps
    module, _, made = name.rpartition(".")
    return getattr(import_module(f"ingest.readers.{module}"), made)()
