"""What has been ingested, tokens of it, and API keys. The only room with sqlite3 and faiss."""

from rag.store.catalog import Document, Known, NewChunk
from rag.store.draft import Draft
from rag.store.generation import Generation
from rag.store.info import CollectionInfo
from rag.store.keys import Grant, KeyLimits, KeyRecord, KeyStore
from rag.store.responses import ResponseStore, StoredResponse
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
    "Grant",
    "KeyLimits",
    "KeyRecord",
    "KeyStore",
    "Known",
    "NewChunk",
    "ResponseStore",
    "ShownTurn",
    "Store",
    "StoredResponse",
    "TokenStore",
    "TopicFile",
    "TurnStore",
]
