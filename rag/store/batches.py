"""Files that were attached to a vector store by one call."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from rag.store.attachments import Attachment, FileStatus, read_attachment
from rag.store.database import Database
from rag.types import CollectionId, FileId

SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    store TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    is_cancelled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS batch_file (batch TEXT NOT NULL, file TEXT NOT NULL, UNIQUE (batch, file)) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is known of a batch beside its files."""

    id: str
    store: CollectionId
    created_at: int  # Unix seconds
    is_cancelled: bool


class Batches:
    """The batches of all vector stores. Calls block; any thread and process may call."""

    def __init__(self, database: Database) -> None:
        """database: with the tables of `SCHEMA` and of the attachments."""
        self._database = database

    def add(self, store: CollectionId, file_ids: Iterable[FileId], *, now: int) -> Batch:
        """A new batch of files that have been attached."""
        batch = Batch(id=f"vsfb_{secrets.token_hex(12)}", store=store, created_at=now, is_cancelled=False)
        with self._database.writing() as connection:
            connection.execute("INSERT INTO batch (id, store, created_at) VALUES (?, ?, ?)", (batch.id, store, now))
            connection.executemany(
                "INSERT OR IGNORE INTO batch_file VALUES (?, ?)", [(batch.id, file_id) for file_id in file_ids]
            )
        return batch

    def get(self, store: CollectionId, batch_id: str) -> Batch | None:
        """A batch of a vector store, if it has it."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM batch WHERE id = ? AND store = ?", (batch_id, store)).fetchone()
        if row is None:
            return None
        return Batch(id=row["id"], store=store, created_at=row["created_at"], is_cancelled=bool(row["is_cancelled"]))

    def files(self, batch: Batch) -> tuple[Attachment, ...]:
        """The files of a batch that still stand in its vector store, in the order of arrival."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT a.* FROM attachment a JOIN batch_file b ON b.file = a.file"
                " WHERE b.batch = ? AND a.store = ? AND a.status <> ? ORDER BY a.n",
                (batch.id, batch.store, FileStatus.REMOVING),
            )
            return tuple(map(read_attachment, rows))

    def cancel(self, batch: Batch) -> None:
        """Nothing; files of the batch that are not indexed yet will not be."""
        with self._database.writing() as connection:
            connection.execute("UPDATE batch SET is_cancelled = 1 WHERE id = ?", (batch.id,))
            connection.execute(
                "UPDATE attachment SET status = ? WHERE store = ? AND status = ?"
                " AND file IN (SELECT file FROM batch_file WHERE batch = ?)",
                (FileStatus.CANCELLED, batch.store, FileStatus.IN_PROGRESS, batch.id),
            )

    def drop_store(self, store: CollectionId) -> None:
        """Nothing; a vector store has no batches."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM batch_file WHERE batch IN (SELECT id FROM batch WHERE store = ?)", (store,))
            connection.execute("DELETE FROM batch WHERE store = ?", (store,))
