"""API keys in a file of their own: what each may do, and the hash of its secret. No secret is ever written."""

import json
import sqlite3
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag.store.database import Database
from rag.types import Priority

_SCHEMA = """
PRAGMA synchronous = FULL; -- a key that was revoked stays so through a power cut
CREATE TABLE IF NOT EXISTS keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  access_group TEXT NOT NULL,
  secret_sha256 BLOB NOT NULL,
  collections TEXT,
  scopes TEXT NOT NULL,
  limits TEXT NOT NULL,
  expires_at INTEGER,
  created INTEGER NOT NULL,
  revoked INTEGER
) STRICT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """How much a key may use. None: as much as the service can."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    priority: Priority = Priority.NORMAL  # who goes first when requests wait

    def __bool__(self) -> bool:
        """Whether anything is counted."""
        return any((self.requests_per_minute, self.tokens_per_minute, self.concurrent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A collection that a key names: by its id, or by a name that its own group may give to one at any time."""

    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as it is stored. Times are seconds since 1970."""

    id: str
    name: str
    group: str
    secret_sha256: bytes
    scopes: tuple[str, ...]
    created: int
    collections: tuple[Grant, ...] | None = None  # None: all of the group's
    limits: KeyLimits = KeyLimits()
    expires_at: int | None = None
    revoked: int | None = None


class KeyStore:
    """All keys below one data directory. Every call sees what other processes have written. Any thread may call.

    The file is opened at the first call, and made if it is missing: readable by its owner alone.
    """

    def __init__(self, data_dir: Path) -> None:
        """Nothing is touched yet."""
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._opened: Database | None = None

    def add(self, record: KeyRecord) -> None:
        """Nothing; the key is stored."""
        values = (
            record.id,
            record.name,
            record.group,
            record.secret_sha256,
            None if record.collections is None else json.dumps([[each.name, each.id] for each in record.collections]),
            json.dumps(record.scopes),
            json.dumps(asdict(record.limits)),
            record.expires_at,
            record.created,
            record.revoked,
        )
        with self._database().writing() as connection:
            connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def digest(self, key_id: str) -> bytes | None:
        """The hash of the key's secret."""
        rows = self._rows("SELECT secret_sha256 FROM keys WHERE id = ?", (key_id,))
        return rows[0][0] if rows else None

    def find(self, key_id: str) -> KeyRecord | None:
        """The key of this id, whatever has become of it."""
        rows = self._rows("SELECT * FROM keys WHERE id = ?", (key_id,))
        return _record(rows[0]) if rows else None

    def all(self) -> tuple[KeyRecord, ...]:
        """Every key, the oldest first."""
        return tuple(map(_record, self._rows("SELECT * FROM keys ORDER BY created, rowid")))

    def has_any(self) -> bool:
        """Whether there ever was a key: one that was revoked or has expired counts."""
        return bool(self._rows("SELECT 1 FROM keys LIMIT 1"))

    def revoke(self, key_id: str, when: int) -> None:
        """Nothing; the key is revoked. One that was before keeps its time."""
        with self._database().writing() as connection:
            connection.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (when, key_id))

    def close(self) -> None:
        """Nothing; the file is closed until the next call."""
        with self._lock:
            if self._opened:
                self._opened.close()
                self._opened = None

    def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        with self._database().reading() as connection:
            return connection.execute(statement, values).fetchall()

    def _database(self) -> Database:
        with self._lock:
            if self._opened is None:
                self._opened = Database(
                    self._data_dir, "keys.db", _SCHEMA, cure="Put a copy of it back.", is_private=True
                )
            return self._opened


def _record(row: sqlite3.Row) -> KeyRecord:
    key_id, name, group, secret_sha256, collections, scopes, limits, expires_at, created, revoked = row
    grants = None if collections is None else tuple(Grant(name=each[0], id=each[1]) for each in json.loads(collections))
    return KeyRecord(
        id=key_id,
        name=name,
        group=group,
        secret_sha256=secret_sha256,
        collections=grants,
        scopes=tuple(json.loads(scopes)),
        limits=_limits(json.loads(limits)),
        expires_at=expires_at,
        created=created,
        revoked=revoked,
    )


def _limits(stored: dict[str, Any]) -> KeyLimits:  # Any: what JSON holds
    """Limits as they were stored; those of older keys name no priority."""
    return KeyLimits(**{**stored, "priority": Priority(stored.get("priority", Priority.NORMAL))})
