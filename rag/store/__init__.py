"""What has been ingested, tokens of it, and API keys. The only room with sqlite3 and faiss."""

from rag.store.attachments import Attachment, Attachments, Cut, FileError, FileStatus, NewAttachment
from rag.store.batches import Batch, Batches
from rag.store.catalog import Document, Known, Listed, NewChunk
from rag.store.copies import Copies
from rag.store.draft import Draft
from rag.store.exchange import TOPICS, Exchange, Local, Shared, digest_of
from rag.store.facts import Facts, FactStore
from rag.store.failures import Failure
from rag.store.files import FileStore, Incoming, StoredFile
from rag.store.generation import Generation
from rag.store.info import MANIFEST, CollectionInfo, sha256_of
from rag.store.keys import Grant, KeyLimits, KeyRecord, KeyStore
from rag.store.layout import Description, Folder
from rag.store.responses import ResponseStore, StoredResponse
from rag.store.rules import Rules, read_rules
from rag.store.seen import AnyStamp, ObjectStamp, SeenFiles, Stamp, stamp_of
from rag.store.shelf import Shelf
from rag.store.store import Store
from rag.store.tokens import TokenStore
from rag.store.topics import TopicFile
from rag.store.turns import ShownTurn, TurnStore
from rag.store.vectors import IndexKind, VectorIndex, kind_for, nearest, open_index, write_index
from rag.store.verify import Problem
from rag.types import EmbeddingInfo

__all__ = [
    "MANIFEST",
    "TOPICS",
    "AnyStamp",
    "Attachment",
    "Attachments",
    "Batch",
    "Batches",
    "CollectionInfo",
    "Copies",
    "Cut",
    "Description",
    "Document",
    "Draft",
    "EmbeddingInfo",
    "Exchange",
    "FactStore",
    "Facts",
    "Failure",
    "FileError",
    "FileStatus",
    "FileStore",
    "Folder",
    "Generation",
    "Grant",
    "Incoming",
    "IndexKind",
    "KeyLimits",
    "KeyRecord",
    "KeyStore",
    "Known",
    "Listed",
    "Local",
    "NewAttachment",
    "NewChunk",
    "ObjectStamp",
    "Problem",
    "ResponseStore",
    "Rules",
    "SeenFiles",
    "Shared",
    "Shelf",
    "ShownTurn",
    "Stamp",
    "Store",
    "StoredFile",
    "StoredResponse",
    "TokenStore",
    "TopicFile",
    "TurnStore",
    "VectorIndex",
    "digest_of",
    "kind_for",
    "nearest",
    "open_index",
    "read_rules",
    "sha256_of",
    "stamp_of",
    "write_index",
]
