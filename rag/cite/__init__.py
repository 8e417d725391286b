"""What an answer says, and where it stands in the documents. Pure: no clock, no chance, no I/O."""

from rag.cite.draft import Draft
from rag.cite.folding import normalize
from rag.cite.judge import Judge, Statement
from rag.cite.plain import PlainStream
from rag.cite.stream import StatementStream
from rag.cite.trace import Place, Traced, fingerprint, is_fingerprint, trace

__all__ = [
    "Draft",
    "Judge",
    "Place",
    "PlainStream",
    "Statement",
    "StatementStream",
    "Traced",
    "fingerprint",
    "is_fingerprint",
    "normalize",
    "trace",
]
