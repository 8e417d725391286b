"""Token arrays of chunks, per chat tokenizer. Content-addressed: an entry never changes and never gets stale."""

import sys
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag.store.database import Database
from rag.types import Tokens

_VARIABLES = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS tokens (key TEXT PRIMARY KEY, ids BLOB NOT NULL) STRICT, WITHOUT ROWID"


class TokenStore:
    """Tokens by key. Several threads and several processes may read and write."""

    def __init__(self, data_dir: Path, fingerprint: str) -> None:
        """Open or create the file of the tokenizer with this fingerprint (letters and digits)."""
        name = f"tokens/{fingerprint}.db"
        self._database = Database(data_dir, name, _SCHEMA, cure="Delete it; it is computed again.")

    def get(self, keys: Sequence[str]) -> dict[str, Tokens]:
        """The tokens of the keys that are stored."""
        found: dict[str, Tokens] = {}
        with self._database.reading() as connection:
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
        with self._database.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO tokens VALUES (?, ?)", rows)

    def close(self) -> None:
        """Nothing; the file is closed."""
        self._database.close()


def _pack(tokens: Tokens) -> bytes:
    return _little_endian(array("I", tokens)).tobytes()


def _unpack(blob: bytes) -> Tokens:
    return tuple(_little_endian(array("I", blob)))


def _little_endian(ids: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
