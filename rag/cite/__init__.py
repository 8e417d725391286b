"""What an answer says, and where it stands in the documents. Pure: no clock, no chance, no I/O."""

from rag.cite.folding import normalize
from rag.cite.plain import PlainStream
from rag.cite.stream import CitationStream
from rag.cite.trace import Place, Traced, fingerprint, is_fingerprint, trace

__all__ = [
    "CitationStream",
    "Place",
    "PlainStream",
    "Traced",
    "fingerprint",
    "is_fingerprint",
    "normalize",
    "trace",
]
