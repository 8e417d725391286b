"""Which chunks answer a question."""

from rag.retrieve.context import in_context, mean_vector
from rag.retrieve.readable import readable_share
from rag.retrieve.rerank import Reranker
from rag.retrieve.restrict import allowed_chunks
from rag.retrieve.retriever import Retriever
from rag.retrieve.search import Meant, Mode, find

__all__ = [
    "Meant",
    "Mode",
    "Reranker",
    "Retriever",
    "allowed_chunks",
    "find",
    "in_context",
    "mean_vector",
    "readable_share",
]
