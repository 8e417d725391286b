"""Books: the chapters in reading order."""

import posixpath
from urllib.parse import unquote

from ingest.readers.base import Extracted, ReadFailure, Skip
from ingest.readers.builder import Builder
from ingest.readers.html import HtmlReader
from ingest.readers.package import Package
from ingest.readers.xmlparts import parse

_CONTAINER = "META-INF/container.xml"
_PAGES = frozenset(["application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"])


class EpubReader:
    """EPUB 2 and 3."""

    def read(self, data: bytes) -> Extracted:
        """The text of all chapters, a mark at each heading."""
        package = Package(data)
        root_file = parse(package.read(_CONTAINER)).find(".//{*}rootfile")
        opf = root_file.get("full-path") if root_file is not None else None
        if not opf:
            raise ReadFailure("damaged: the book does not say where its contents are listed")
        book = parse(package.read(opf))
        builder = Builder()
        builder.heading(0, book.findtext(".//{http://purl.org/dc/elements/1.1/}title") or "")
        paths = {
            item.get("id"): posixpath.normpath(posixpath.join(posixpath.dirname(opf), unquote(item.get("href", ""))))
            for item in book.iter("{*}item")
            if item.get("media-type") in _PAGES
        }
        n_read = n_missing = 0
        for each in book.iter("{*}itemref"):
            path = paths.get(each.get("idref"))
            page = package.find(path) if path else None
            if page is None:
                n_missing += path is not None
                continue
            builder.section()
            try:
                builder.graft(HtmlReader().read(page))
            except Skip:  # a page with nothing but a picture
                continue
            n_read += 1
        if not n_read and n_missing:
            raise ReadFailure("damaged: none of the book's chapters can be read; it may be encrypted")
        return builder.extracted()
