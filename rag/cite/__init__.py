"""What an answer says, and where it stands in the documents. Pure: no clock, no chance, no I/O."""

from rag.cite.plain import PlainStream
from rag.cite.stream import CitationStream

__all__ = ["CitationStream", "PlainStream"]
