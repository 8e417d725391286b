"""RTF: its text."""

from striprtf.striprtf import rtf_to_text

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder


class RtfReader:
    """RTF in any code page."""

    def read(self, data: bytes) -> Extracted:
        """The text, paragraphs on lines of their own."""
        if not data.lstrip()[:5] == b"{\\rtf":
            raise ReadFailure("damaged: it does not begin as RTF does")
        # Bytes beyond ASCII stand in escapes.
        text = str(rtf_to_text(data.decode("latin-1"), errors="replace"))  # type: ignore[no-untyped-call]
        builder = Builder()
        for paragraph in text.replace("\r\n", "\n").split("\n\n"):
            builder.block(paragraph)
        return builder.extracted()
