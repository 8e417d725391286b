"""Which chunks answer a question."""

from rag.retrieve.retriever import Retriever

__all__ = ["Retriever"]
