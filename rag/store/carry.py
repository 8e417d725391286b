"""What `files.db` knows of one vector store, out of one data directory and into another."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.store.database import Database
from rag.types import CollectionId

Rows = list[dict[str, Any]]  # Any: what columns hold, which the tables type

_FILE = ("id", "access_group", "bytes", "created_at", "filename", "purpose", "expires_at")
_ATTACHMENT = (
    "file",
    "created_at",
    "status",
    "attributes",
    "chunk_tokens",
    "overlap_tokens",
    "error_code",
    "error_message",
)
_FACTS = ("description", "metadata", "expires_after_days", "last_active_at", "is_expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The rows of one vector store, without its id."""

    files: Rows
    attachments: Rows
    facts: Rows

    def as_dict(self) -> dict[str, Rows]:
        """As it stands in JSON."""
        return {"files": self.files, "attachments": self.attachments, "facts": self.facts}


def read_carried(found: Mapping[str, Any]) -> Carried:
    """What `as_dict` gave.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    named = ((found["files"], _FILE), (found["attachments"], _ATTACHMENT), (found["facts"], _FACTS))
    files, attachments, facts = ([{name: row[name] for name in names} for row in rows] for rows, names in named)
    return Carried(files=files, attachments=attachments, facts=facts)


def take_out(database: Database, store: CollectionId) -> Carried:
    """The rows of a vector store, as of one moment."""
    with database.writing() as connection:  # one transaction over all three
        attached = _select(connection, "attachment", _ATTACHMENT, "store = ?", store)
        uploaded = _select(connection, "file", _FILE, "id IN (SELECT file FROM attachment WHERE store = ?)", store)
        return Carried(
            files=uploaded, attachments=attached, facts=_select(connection, "facts", _FACTS, "store = ?", store)
        )


def put_in(database: Database, store: CollectionId, carried: Carried) -> None:
    """Nothing; the vector store has these rows. Files that are known already stay as they are."""
    with database.writing() as connection:
        for table, names, rows in (
            ("file", _FILE, carried.files),
            ("attachment", ("store", *_ATTACHMENT), [{"store": store, **row} for row in carried.attachments]),
            ("facts", ("store", *_FACTS), [{"store": store, **row} for row in carried.facts]),
        ):
            marks = ", ".join(f":{name}" for name in names)
            connection.executemany(
                f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names of ours
                rows,
            )


def _select(connection: sqlite3.Connection, table: str, names: Sequence[str], where: str, store: str) -> Rows:
    statement = f"SELECT {', '.join(names)} FROM {table} WHERE {where}"  # noqa: S608 - words of ours
    return [dict(row) for row in connection.execute(statement, (store,))]
