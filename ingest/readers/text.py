"""Plain text and source code, as they are."""

import re

from ingest.readers.base import Extracted, Mark
from ingest.readers.decode import decode
from ingest.readers.outline import Outline

_DEFINITION = re.compile(r"^([ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_TAB = 8


class TextReader:
    """Text without structure that we know of."""

    def read(self, data: bytes) -> Extracted:
        """The file's text."""
        return Extracted(text=decode(data))


class PythonReader:
    """Python source: the heading is the path of classes and functions."""

    def read(self, data: bytes) -> Extracted:
        """The file's text, a mark at each definition."""
        text = decode(data)
        outline = Outline()
        marks = tuple(
            Mark(start=found.start(), heading=outline.enter(len(found[1].expandtabs(_TAB)), found[2]))
            for found in _DEFINITION.finditer(text)
        )
        return Extracted(text=text, marks=marks)
