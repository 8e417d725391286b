"""Which chunks answer a question."""

from rag.retrieve.restrict import allowed_chunks
from rag.retrieve.retriever import Retriever

__all__ = ["Retriever", "allowed_chunks"]
