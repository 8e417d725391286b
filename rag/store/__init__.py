"""What has been ingested: collections, their generations, and stored tokens. The only room with sqlite3 and faiss."""

from rag.store.catalog import Document, Known, NewChunk
from rag.store.draft import Draft
from rag.store.generation import Generation
from rag.store.info import CollectionInfo
from rag.store.store import Store
from rag.store.tokens import TokenStore
from rag.store.topics import TopicFile
from rag.store.turns import ShownTurn, TurnStore
from rag.types import EmbeddingInfo

__all__ = [
    "CollectionInfo",
    "Document",
    "Draft",
    "EmbeddingInfo",
    "Generation",
    "Known",
    "NewChunk",
    "ShownTurn",
    "Store",
    "TokenStore",
    "TopicFile",
    "TurnStore",
]
