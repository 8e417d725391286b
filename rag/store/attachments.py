"""Which files stand in which vector stores, and how far they are."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rag.store.database import Database
from rag.types import CollectionId, FileId

SCHEMA = """
CREATE TABLE IF NOT EXISTS attachment (
    n INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
    store TEXT NOT NULL,
    file TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    attributes TEXT,         -- JSON; NULL: none were given
    chunk_tokens INTEGER,    -- NULL: `rag ingest` cut it
    overlap_tokens INTEGER,
    error_code TEXT,
    error_message TEXT,
    UNIQUE (store, file)
) STRICT;
CREATE INDEX IF NOT EXISTS attachment_status ON attachment (status, store);
"""

Scalar = str | int | float | bool


class FileStatus(StrEnum):
    """How far a file in a vector store is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REMOVING = "removing"  # detached; its document is still in the current generation


@dataclass(frozen=True, slots=True, kw_only=True)
class FileError:
    """Why a file is not searchable."""

    code: str  # unsupported_file, invalid_file or server_error
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a file is cut into chunks."""

    chunk_tokens: int
    overlap_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """A file that is to stand in a vector store."""

    file_id: FileId
    attributes: Mapping[str, Scalar] | None
    cut: Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file in a vector store."""

    n: int
    store: CollectionId
    file_id: FileId
    created_at: int  # Unix seconds
    status: FileStatus
    attributes: Mapping[str, Scalar] | None
    cut: Cut | None  # None: `rag ingest` cut it
    error: FileError | None


class Attachments:
    """The files of all vector stores. Calls block; any thread and process may call."""

    def __init__(self, database: Database) -> None:
        """database: with the tables of `SCHEMA`."""
        self._database = database

    def attach(self, store: CollectionId, files: Sequence[NewAttachment], *, now: int) -> None:
        """Nothing; the files wait to be indexed. Those that were there already are indexed anew."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO attachment (store, file, created_at, status, attributes, chunk_tokens, overlap_tokens)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (store, file) DO UPDATE SET"
                " status = excluded.status, attributes = excluded.attributes, chunk_tokens = excluded.chunk_tokens,"
                " overlap_tokens = excluded.overlap_tokens, error_code = NULL, error_message = NULL",
                [
                    (
                        store,
                        each.file_id,
                        now,
                        FileStatus.IN_PROGRESS,
                        _to_json(each.attributes),
                        each.cut.chunk_tokens,
                        each.cut.overlap_tokens,
                    )
                    for each in files
                ],
            )

    def of_store(self, store: CollectionId) -> tuple[Attachment, ...]:
        """Every file of a vector store in the order of arrival, those that are being removed too."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM attachment WHERE store = ? ORDER BY n", (store,))
            return tuple(map(read_attachment, rows))

    def get(self, store: CollectionId, file_id: str) -> Attachment | None:
        """A file of a vector store, if anything is known of it."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM attachment WHERE store = ? AND file = ?", (store, file_id)
            ).fetchone()
        return read_attachment(row) if row else None

    def attributes(
        self, store: CollectionId, file_ids: Iterable[FileId] | None = None
    ) -> dict[FileId, dict[str, Scalar]]:
        """The attributes of a vector store's files that have some. file_ids: of these alone."""
        wanted = None if file_ids is None else json.dumps(list(file_ids))
        only = "" if wanted is None else " AND file IN (SELECT value FROM json_each(:wanted))"
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT file, attributes FROM attachment WHERE store = :store AND attributes > ''{only}",  # noqa: S608 - ours
                {"store": store, "wanted": wanted},
            )
            return {FileId(file): json.loads(attributes) for file, attributes in rows}

    def set_attributes(
        self, store: CollectionId, file_id: FileId, attributes: Mapping[str, Scalar] | None, *, created_at: int
    ) -> None:
        """Nothing; the file has these attributes. One that `rag ingest` put in gets a row, of this time."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO attachment (store, file, created_at, status, attributes) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (store, file) DO UPDATE SET attributes = excluded.attributes",
                (store, file_id, created_at, FileStatus.COMPLETED, _to_json(attributes)),
            )

    def detach(self, store: CollectionId, file_ids: Iterable[FileId], *, now: int) -> None:
        """Nothing; the files are on their way out of a vector store."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO attachment (store, file, created_at, status) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (store, file) DO UPDATE SET status = excluded.status",
                [(store, file_id, now, FileStatus.REMOVING) for file_id in file_ids],
            )

    def stores_of(self, file_id: FileId) -> tuple[CollectionId, ...]:
        """The vector stores that a file stands in."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT store FROM attachment WHERE file = ? ORDER BY n", (file_id,))
            return tuple(CollectionId(store) for (store,) in rows)

    def waiting_stores(self) -> tuple[CollectionId, ...]:
        """The vector stores with files to index or remove, the longest waiting first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT store FROM attachment WHERE status IN (?, ?) GROUP BY store ORDER BY min(n)",
                (FileStatus.IN_PROGRESS, FileStatus.REMOVING),
            )
            return tuple(CollectionId(store) for (store,) in rows)

    def with_status(self, store: CollectionId, status: FileStatus, *, limit: int = -1) -> tuple[Attachment, ...]:
        """Files of a vector store with this status in the order of arrival, at most `limit` of them if that is set."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM attachment WHERE store = ? AND status = ? ORDER BY n LIMIT ?", (store, status, limit)
            )
            return tuple(map(read_attachment, rows))

    def is_waiting(self, store: CollectionId, file_id: FileId) -> bool:
        """Whether a file is still to be indexed: not cancelled, not detached."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM attachment WHERE store = ? AND file = ? AND status = ?",
                (store, file_id, FileStatus.IN_PROGRESS),
            ).fetchone()
        return row is not None

    def finish(self, store: CollectionId, outcomes: Mapping[FileId, FileError | None]) -> None:
        """Nothing; files in progress are failed with their error, or completed where there is none.

        A file that was cancelled too late to keep it out is completed: it is searchable.
        """
        done = [(store, file_id) for file_id, error in outcomes.items() if error is None]
        failed = [(error.code, error.message, store, file_id) for file_id, error in outcomes.items() if error]
        with self._database.writing() as connection:
            connection.executemany(
                "UPDATE attachment SET status = 'completed' WHERE store = ? AND file = ?"
                " AND status IN ('in_progress', 'cancelled')",
                done,
            )
            connection.executemany(
                "UPDATE attachment SET status = 'failed', error_code = ?, error_message = ?"
                " WHERE store = ? AND file = ? AND status = 'in_progress'",
                failed,
            )

    def removed(self, store: CollectionId, file_ids: Iterable[FileId]) -> None:
        """Nothing; files that were on their way out are gone."""
        with self._database.writing() as connection:
            connection.executemany(
                "DELETE FROM attachment WHERE store = ? AND file = ? AND status = ?",
                [(store, file_id, FileStatus.REMOVING) for file_id in file_ids],
            )

    def drop_store(self, store: CollectionId) -> None:
        """Nothing; nothing is known of the files of a vector store."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM attachment WHERE store = ?", (store,))


def read_attachment(row: sqlite3.Row) -> Attachment:
    """The attachment in a row of its table."""
    cut = row["chunk_tokens"] and Cut(chunk_tokens=row["chunk_tokens"], overlap_tokens=row["overlap_tokens"])
    return Attachment(
        n=row["n"],
        store=CollectionId(row["store"]),
        file_id=FileId(row["file"]),
        created_at=row["created_at"],
        status=FileStatus(row["status"]),
        attributes=json.loads(row["attributes"]) if row["attributes"] else None,
        cut=cut or None,
        error=FileError(code=row["error_code"], message=row["error_message"]) if row["error_code"] else None,
    )


def _to_json(attributes: Mapping[str, Scalar] | None) -> str | None:
    return None if attributes is None else json.dumps(attributes)
