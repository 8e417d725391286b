"""What earlier turns of conversations showed, so that a stateless client's next turn finds it in its place."""

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import CorpusError
from rag.store.layout import mark_format
from rag.types import ChunkId

_BUSY_S = 10.0
_TRIM_EVERY = 1000
_SCHEMA = """
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
        mark_format(data_dir)
        self._file = data_dir / "turns.db"
        self._capacity = capacity
        self._n_written = 0
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = OFF")  # a lost turn costs a computation, no more
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def get(self, keys: Sequence[bytes]) -> list[ShownTurn | None]:
        """The turn of each key, or None."""
        try:
            with self._lock:
                return [self._get(key) for key in keys]
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def put(self, key: bytes, turn: ShownTurn, prefix_chunks: Sequence[ChunkId]) -> None:
        """Nothing; the turn is kept, with what its prefix was made of."""
        try:
            with self._lock:
                if turn.prefix:
                    self._connection.execute(
                        "INSERT OR IGNORE INTO prefixes VALUES (?, ?)", (turn.prefix, json.dumps(list(prefix_chunks)))
                    )
                self._connection.execute(
                    "INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (key, turn.prefix, json.dumps(list(turn.chunks)))
                )
                self._n_written += 1
                if self._n_written % _TRIM_EVERY == 0:
                    self._trim()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def prefix(self, version: str) -> tuple[ChunkId, ...] | None:
        """The chunks of a prefix that a kept turn stood behind."""
        try:
            with self._lock:
                row = self._connection.execute("SELECT chunks FROM prefixes WHERE version = ?", (version,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return _ids(row[0]) if row else None

    def close(self) -> None:
        """Nothing; the file is closed."""
        with self._lock:
            self._connection.close()

    def _get(self, key: bytes) -> ShownTurn | None:
        row = self._connection.execute("SELECT prefix, chunks FROM turns WHERE key = ?", (key,)).fetchone()
        return ShownTurn(row[0], _ids(row[1])) if row else None

    def _trim(self) -> None:
        self._connection.execute(
            "DELETE FROM turns WHERE rowid <= (SELECT max(rowid) FROM turns) - ?", (self._capacity,)
        )
        self._connection.execute(
            "DELETE FROM prefixes WHERE version NOT IN (SELECT prefix FROM turns WHERE prefix > '')"
        )

    def _unusable(self, error: sqlite3.Error) -> CorpusError:
        return CorpusError(
            f"The memory of conversations {str(self._file)!r} cannot be used: {error}. Free disk space, check its "
            "rights, or delete it: conversations under way are then computed once more."
        )


def _ids(text: str) -> tuple[ChunkId, ...]:
    return tuple(map(ChunkId, json.loads(text)))
