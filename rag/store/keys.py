"""API keys in a file of their own: what each may do, and the hash of its secret. No secret is ever written."""

import json
import os
import sqlite3
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag.errors import CorpusError
from rag.store.layout import mark_format

_BUSY_S = 10.0
_SCHEMA = """
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

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any(asdict(self).values())


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
        self._file = data_dir / "keys.db"
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

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
        self._execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def digest(self, key_id: str) -> bytes | None:
        """The hash of the key's secret."""
        rows = self._execute("SELECT secret_sha256 FROM keys WHERE id = ?", (key_id,))
        return rows[0][0] if rows else None

    def find(self, key_id: str) -> KeyRecord | None:
        """The key of this id, whatever has become of it."""
        rows = self._execute("SELECT * FROM keys WHERE id = ?", (key_id,))
        return _record(rows[0]) if rows else None

    def all(self) -> tuple[KeyRecord, ...]:
        """Every key, the oldest first."""
        return tuple(map(_record, self._execute("SELECT * FROM keys ORDER BY created, rowid")))

    def has_any(self) -> bool:
        """Whether there ever was a key: one that was revoked or has expired counts."""
        return bool(self._execute("SELECT 1 FROM keys LIMIT 1"))

    def revoke(self, key_id: str, when: int) -> None:
        """Nothing; the key is revoked. One that was before keeps its time."""
        self._execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (when, key_id))

    def close(self) -> None:
        """Nothing; the file is closed until the next call."""
        with self._lock:
            if self._opened:
                self._opened.close()
                self._opened = None

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection().execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise CorpusError(
                f"The keys {str(self._file)!r} cannot be used: {error}. Free disk space, check the file's rights, or "
                "put a copy of it back."
            ) from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            mark_format(self._file.parent)
            # Before SQLite does, which would let others read it; its side files take their rights from this one.
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            opened = sqlite3.connect(self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                opened.execute("PRAGMA journal_mode = WAL")
                opened.execute(_SCHEMA)
            except sqlite3.Error:
                opened.close()
                raise
            self._opened = opened
        return self._opened


# Any: columns of SQLite, whose kinds the table declares.
def _record(row: tuple[Any, ...]) -> KeyRecord:
    key_id, name, group, secret_sha256, collections, scopes, limits, expires_at, created, revoked = row
    grants = None if collections is None else tuple(Grant(name=each[0], id=each[1]) for each in json.loads(collections))
    return KeyRecord(
        id=key_id,
        name=name,
        group=group,
        secret_sha256=secret_sha256,
        collections=grants,
        scopes=tuple(json.loads(scopes)),
        limits=KeyLimits(**json.loads(limits)),
        expires_at=expires_at,
        created=created,
        revoked=revoked,
    )
