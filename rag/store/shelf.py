"""Uploaded files and vector stores: everything that `files.db` holds, opened at once."""

from pathlib import Path

from rag.store import attachments, batches, facts, files
from rag.store.attachments import Attachments
from rag.store.batches import Batches
from rag.store.database import Database
from rag.store.facts import FactStore
from rag.store.files import FileStore
from rag.types import CollectionId

_CURE = "Restore it from a copy, or move it away: uploads then have to be made again, what `rag ingest` put in stays."


class Shelf:
    """The tables of one data directory. Calls block; any thread and process may call."""

    def __init__(self, data_dir: Path) -> None:
        """Open or create the file."""
        schema = files.SCHEMA + attachments.SCHEMA + batches.SCHEMA + facts.SCHEMA
        self.database = Database(data_dir, "files.db", schema, cure=_CURE)
        self.files = FileStore(data_dir, self.database)
        self.attachments = Attachments(self.database)
        self.batches = Batches(self.database)
        self.facts = FactStore(self.database)

    def drop_store(self, store: CollectionId) -> None:
        """Nothing; nothing is known of a vector store. Files that stood in it stay."""
        self.batches.drop_store(store)
        self.attachments.drop_store(store)
        self.facts.drop(store)

    def close(self) -> None:
        """Nothing; the file is closed."""
        self.database.close()
