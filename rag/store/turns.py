"""What earlier turns of conversations showed, so that a stateless client's next turn finds it in its place."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.store.database import Database
from rag.types import ChunkId

_TRIM_EVERY = 1000
_CURE = "Delete it: conversations under way are then computed once more."
_SCHEMA = """
PRAGMA synchronous = OFF; -- a lost turn costs a computation, no more
CREATE TABLE IF NOT EXISTS turns (key BLOB PRIMARY KEY, prefix TEXT, chunks TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS prefixes (version TEXT PRIMARY KEY, chunks TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """The shared prefix that a turn stood behind (its version; None: none) and the chunks that it added."""

    prefix: str | None
    chunks: tuple[ChunkId, ...]


class TurnStore:
    """Turns by key, in one file. Several threads and several processes may read and write.

    It holds hashes and chunk ids, no words of anyone. The newest `capacity` turns are kept, about 500 bytes each.
    """

    def __init__(self, data_dir: Path, *, capacity: int = 200_000) -> None:
        """Open or create the file."""
        self._database = Database(data_dir, "turns.db", _SCHEMA, cure=_CURE)
        self._capacity = capacity
        self._n_written = 0

    def get(self, keys: Sequence[bytes]) -> list[ShownTurn | None]:
        """The turn of each key, or None."""
        with self._database.reading() as connection:
            return [_turn(connection, key) for key in keys]

    def put(self, key: bytes, turn: ShownTurn, prefix_chunks: Sequence[ChunkId]) -> None:
        """Nothing; the turn is kept, with what its prefix was made of."""
        with self._database.writing() as connection:
            if turn.prefix:
                connection.execute(
                    "INSERT OR IGNORE INTO prefixes VALUES (?, ?)", (turn.prefix, json.dumps(list(prefix_chunks)))
                )
            connection.execute(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (key, turn.prefix, json.dumps(list(turn.chunks)))
            )
            self._n_written += 1
            if self._n_written % _TRIM_EVERY == 0:
                _trim(connection, self._capacity)

    def prefix(self, version: str) -> tuple[ChunkId, ...] | None:
        """The chunks of a prefix that a kept turn stood behind."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT chunks FROM prefixes WHERE version = ?", (version,)).fetchone()
        return _ids(row[0]) if row else None

    def close(self) -> None:
        """Nothing; the file is closed."""
        self._database.close()


def _turn(connection: sqlite3.Connection, key: bytes) -> ShownTurn | None:
    row = connection.execute("SELECT prefix, chunks FROM turns WHERE key = ?", (key,)).fetchone()
    return ShownTurn(row[0], _ids(row[1])) if row else None


def _trim(connection: sqlite3.Connection, capacity: int) -> None:
    connection.execute("DELETE FROM turns WHERE rowid <= (SELECT max(rowid) FROM turns) - ?", (capacity,))
    connection.execute("DELETE FROM prefixes WHERE version NOT IN (SELECT prefix FROM turns WHERE prefix > '')")


def _ids(text: str) -> tuple[ChunkId, ...]:
    return tuple(map(ChunkId, json.loads(text)))
