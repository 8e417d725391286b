"""Responses that clients may come back to, with what they were made of."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rag.store.database import Database

Item = dict[str, object]

_DAY_S = 24 * 60 * 60
_TRIM_EVERY = 100
_CURE = "Restore it from a copy, or delete it: clients then lose the responses that they may come back to."
_SCHEMA = """
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, access_group TEXT NOT NULL, previous TEXT, kept_until REAL NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS responses_by_age ON responses (kept_until);
CREATE TABLE IF NOT EXISTS items (
    response TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    position INTEGER NOT NULL, is_output INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (response, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_id ON items (id);
"""
# The response itself, then each one that it continues.
_CONVERSATION = """
WITH RECURSIVE chain (id, previous, body, depth) AS (
    SELECT id, previous, body, 0 FROM responses WHERE id = :id AND access_group = :access_group AND kept_until > :now
    UNION ALL
    SELECT r.id, r.previous, r.body, depth + 1 FROM responses r JOIN chain ON r.id = chain.previous
    WHERE r.access_group = :access_group
)
"""
_KEEP = "UPDATE responses SET kept_until = :kept_until WHERE id IN (SELECT id FROM chain)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """One response. Its items are OpenAI's JSON objects; `body` is the response without its output."""

    id: str
    group: str  # only this access group finds it
    previous: str | None  # the response that it continues
    body: Item
    input: tuple[Item, ...]
    output: tuple[Item, ...]


class ResponseStore:
    """Responses by id and access group, in one file. Several threads and several processes may read and write.

    A response is kept for `keep_days` after it, or the last response that continues it, was made. Beyond `capacity`
    the oldest go first. What is deleted is overwritten on disk.
    """

    def __init__(
        self, data_dir: Path, *, keep_days: float, capacity: int, now: Callable[[], float] = time.time
    ) -> None:
        """Open or create the file."""
        self._database = Database(data_dir, "responses.db", _SCHEMA, cure=_CURE, is_private=True)  # users' words
        self._keep_s = keep_days * _DAY_S
        self._capacity = capacity
        self._now = now
        self._n_written = 0
        with self._database.writing() as connection:
            self._trim(connection)

    def put(self, response: StoredResponse) -> None:
        """Nothing; the response can be found, and what it continues is kept as long as it.

        Raises:
            CorpusError: it could not be written.
        """
        kept_until = self._now() + self._keep_s
        items = [
            (response.id, position, is_output, str(item["id"]), json.dumps(item, ensure_ascii=False))
            for position, (is_output, item) in enumerate(
                [*((False, item) for item in response.input), *((True, item) for item in response.output)]
            )
        ]
        body = json.dumps(response.body, ensure_ascii=False)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO responses VALUES (?, ?, ?, ?, ?)",
                (response.id, response.group, response.previous, kept_until, body),
            )
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", items)
            connection.execute(
                _CONVERSATION + _KEEP, {**self._key(response.id, response.group), "kept_until": kept_until}
            )
            self._n_written += 1
            if self._n_written % _TRIM_EVERY == 0:
                self._trim(connection)

    def get(self, response_id: str, group: str) -> StoredResponse | None:
        """The response; None when there is none for this group."""
        found = self._read(response_id, group, "SELECT id, previous, body FROM chain WHERE depth = 0")
        return found[0] if found else None

    def conversation(self, response_id: str, group: str) -> tuple[StoredResponse, ...] | None:
        """All responses of a conversation up to this one, oldest first; None when this or an earlier one is gone."""
        found = self._read(response_id, group, "SELECT id, previous, body FROM chain ORDER BY depth DESC")
        return found if found and found[0].previous is None else None

    def item(self, item_id: str, group: str) -> Item | None:
        """The newest item of this id in a response of the group."""
        query = (
            "SELECT items.body FROM items JOIN responses ON responses.id = items.response WHERE items.id = ? "
            "AND access_group = ? AND kept_until > ? ORDER BY responses.rowid DESC LIMIT 1"
        )
        with self._database.reading() as connection:
            row = connection.execute(query, (item_id, group, self._now())).fetchone()
        return _item(row[0]) if row else None

    def delete(self, response_id: str, group: str) -> bool:
        """Whether there was such a response; it is gone, from the disk too."""
        with self._database.writing() as connection:
            done = connection.execute(
                "DELETE FROM responses WHERE id = ? AND access_group = ? AND kept_until > ?",
                (response_id, group, self._now()),
            )
        with self._database.reading() as connection:  # outside of the transaction, or there is nothing to move
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return done.rowcount > 0

    def close(self) -> None:
        """Nothing; the file is closed."""
        self._database.close()

    def _read(self, response_id: str, group: str, select: str) -> tuple[StoredResponse, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(_CONVERSATION + select, self._key(response_id, group)).fetchall()
            return tuple(_stored(connection, group, *row) for row in rows)

    def _key(self, response_id: str, group: str) -> dict[str, object]:
        return {"id": response_id, "access_group": group, "now": self._now()}

    def _trim(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM responses WHERE kept_until <= ?", (self._now(),))
        connection.execute(
            "DELETE FROM responses WHERE id IN "
            "(SELECT id FROM responses ORDER BY kept_until DESC, rowid DESC LIMIT -1 OFFSET ?)",
            (self._capacity,),
        )


def _stored(
    connection: sqlite3.Connection, group: str, response_id: str, previous: str | None, body: str
) -> StoredResponse:
    query = "SELECT is_output, body FROM items WHERE response = ? ORDER BY position"
    items = connection.execute(query, (response_id,)).fetchall()
    return StoredResponse(
        id=response_id,
        group=group,
        previous=previous,
        body=_item(body),
        input=_items(text for is_output, text in items if not is_output),
        output=_items(text for is_output, text in items if is_output),
    )


def _item(text: str) -> Item:
    item: Item = json.loads(text)
    return item


def _items(texts: Iterable[str]) -> tuple[Item, ...]:
    return tuple(map(_item, texts))
