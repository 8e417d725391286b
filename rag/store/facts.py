"""What is known of vector stores beside their collections: metadata, and when they expire."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from rag.store.database import Database
from rag.types import CollectionId

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    store TEXT PRIMARY KEY,
    description TEXT,
    metadata TEXT NOT NULL DEFAULT '{}',
    expires_after_days INTEGER,
    last_active_at INTEGER,              -- NULL: never used since it was made
    is_expired INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
"""
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One vector store's. Those of a collection that nothing was ever said of are the defaults."""

    metadata: Mapping[str, str]
    description: str | None = None
    expires_after_days: int | None = None
    last_active_at: int | None = None  # Unix seconds
    was_expired: bool = False  # once expired, a vector store stays so

    def expires_at(self) -> int | None:
        """The Unix second from which on it is expired, if there is one."""
        if self.expires_after_days is None or self.last_active_at is None:
            return None
        return self.last_active_at + self.expires_after_days * _DAY_S

    def is_expired(self, now: int) -> bool:
        """Whether it can no longer be searched."""
        expires_at = self.expires_at()
        return self.was_expired or (expires_at is not None and expires_at <= now)


NO_FACTS = Facts(metadata={})


class FactStore:
    """The facts of all vector stores. Calls block; any thread and process may call."""

    def __init__(self, database: Database) -> None:
        """database: with the table of `SCHEMA`."""
        self._database = database

    def get(self, store: CollectionId) -> Facts:
        """The facts of one vector store."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM facts WHERE store = ?", (store,)).fetchone()
        return _facts(row) if row else NO_FACTS

    def set(
        self,
        store: CollectionId,
        *,
        now: int,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after_days: int | None = None,
    ) -> None:
        """Nothing; what is given has changed, and the vector store was active now."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO facts (store, description, metadata, expires_after_days, last_active_at)"
                " VALUES (:store, :description, coalesce(:metadata, '{}'), :days, :now)"
                " ON CONFLICT (store) DO UPDATE SET description = coalesce(:description, description),"
                " metadata = coalesce(:metadata, metadata), expires_after_days = coalesce(:days, expires_after_days),"
                " last_active_at = :now",
                {
                    "store": store,
                    "description": description,
                    "metadata": None if metadata is None else json.dumps(metadata),
                    "days": expires_after_days,
                    "now": now,
                },
            )

    def never_expires(self, store: CollectionId) -> None:
        """Nothing; the vector store has no expiry any more."""
        with self._database.writing() as connection:
            connection.execute("UPDATE facts SET expires_after_days = NULL WHERE store = ?", (store,))

    def touch(self, store: CollectionId, *, now: int) -> None:
        """Nothing; the vector store was active now, if anything is known of it."""
        with self._database.writing() as connection:
            connection.execute("UPDATE facts SET last_active_at = max(last_active_at, ?) WHERE store = ?", (now, store))

    def newly_expired(self, *, now: int) -> tuple[CollectionId, ...]:
        """The vector stores whose time has passed and that are not marked yet."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT store FROM facts WHERE NOT is_expired AND last_active_at + expires_after_days * ? <= ?",
                (_DAY_S, now),
            )
            return tuple(CollectionId(store) for (store,) in rows)

    def expire(self, store: CollectionId) -> None:
        """Nothing; the vector store is expired for good."""
        with self._database.writing() as connection:
            connection.execute("UPDATE facts SET is_expired = 1 WHERE store = ?", (store,))

    def drop(self, store: CollectionId) -> None:
        """Nothing; nothing is known of a vector store."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM facts WHERE store = ?", (store,))


def _facts(row: sqlite3.Row) -> Facts:
    return Facts(
        metadata=json.loads(row["metadata"]),
        description=row["description"],
        expires_after_days=row["expires_after_days"],
        last_active_at=row["last_active_at"],
        was_expired=bool(row["is_expired"]),
    )
