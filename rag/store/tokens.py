"""Token arrays of chunks, per chat tokenizer. Content-addressed: an entry never changes and never gets stale."""

import sqlite3
import sys
import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rag.errors import CorpusError
from rag.store.layout import mark_format
from rag.types import Tokens

_BUSY_S = 30.0
_VARIABLES = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS tokens (key TEXT PRIMARY KEY, ids BLOB NOT NULL) STRICT, WITHOUT ROWID"


class TokenStore:
    """Tokens by key. Several threads and several processes may read and write."""

    def __init__(self, data_dir: Path, fingerprint: str) -> None:
        """Open or create the file of the tokenizer with this fingerprint (letters and digits)."""
        mark_format(data_dir)
        self._file = data_dir / "tokens" / f"{fingerprint}.db"
        self._file.parent.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with self._use() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(_SCHEMA)
        except CorpusError:
            self._connection.close()
            raise

    def get(self, keys: Sequence[str]) -> dict[str, Tokens]:
        """The tokens of the keys that are stored."""
        found: dict[str, Tokens] = {}
        with self._use() as connection:
            for first in range(0, len(keys), _VARIABLES):
                part = keys[first : first + _VARIABLES]
                marks = ",".join("?" * len(part))
                statement = f"SELECT key, ids FROM tokens WHERE key IN ({marks})"  # noqa: S608 - marks are only `?`
                rows = connection.execute(statement, part)
                found.update((key, _unpack(ids)) for key, ids in rows)
        return found

    def put(self, tokens: Mapping[str, Tokens]) -> None:
        """Nothing; the tokens are stored. A key that is there keeps what it has."""
        rows = [(key, _pack(ids)) for key, ids in tokens.items()]
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT OR IGNORE INTO tokens VALUES (?, ?)", rows)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Nothing; the file is closed."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connection
        except sqlite3.OperationalError as error:
            raise CorpusError(
                f"The token store {str(self._file)!r} cannot be used: {error}. Free disk space or check its rights."
            ) from error
        except sqlite3.DatabaseError as error:
            raise CorpusError(
                f"The token store {str(self._file)!r} is damaged: {error}. Delete it; it is computed again."
            ) from error


def _pack(tokens: Tokens) -> bytes:
    return _little_endian(array("I", tokens)).tobytes()


def _unpack(blob: bytes) -> Tokens:
    return tuple(_little_endian(array("I", blob)))


def _little_endian(ids: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
