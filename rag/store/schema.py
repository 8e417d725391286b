"""The tables of a generation's catalog, and older ones seen or made as they are now."""

import hashlib
import sqlite3
from pathlib import Path

VERSION = 5
_TABLES = """
CREATE TABLE root (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    root INTEGER NOT NULL REFERENCES root,
    path TEXT NOT NULL,
    file TEXT NOT NULL,       -- path of the file that it was read from: its own, or of what it is inside
    title TEXT,               -- NULL: the file name without its suffix
    sha256 TEXT NOT NULL,     -- of the file's bytes
    size INTEGER NOT NULL,    -- of the file, in bytes
    recipe TEXT NOT NULL,     -- how text became chunks and vectors; another one makes the document changed
    text TEXT NOT NULL,
    attributes TEXT,          -- JSON, what filters may ask for; NULL: none
    beside TEXT,              -- SHA-256 of the file beside it that names attributes; NULL: there is none
    UNIQUE (root, path)
) STRICT;
CREATE TABLE chunk (
    seq INTEGER PRIMARY KEY,  -- also the id in the vector index
    id TEXT NOT NULL,         -- not unique: two roots may hold the same path with the same text
    document INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    heading TEXT,
    line INTEGER,
    page INTEGER,
    slide INTEGER,
    sheet TEXT,
    cells TEXT,
    text TEXT NOT NULL,
    foreword TEXT NOT NULL,   -- what stood in front of its text when it was embedded
    key BLOB                  -- `text_key` of what was embedded: equal ones have one vector
) STRICT;
"""
_FAILURE = """(
    root TEXT NOT NULL,       -- no root of documents: all of its files may fail
    path TEXT NOT NULL,       -- printable; of a folder with a final "/"
    reason TEXT NOT NULL,     -- one line
    since INTEGER NOT NULL,   -- number of the generation that had it first; generation.json says when that was
    PRIMARY KEY (root, path)
) STRICT, WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS document_file ON document (root, file);
CREATE INDEX IF NOT EXISTS chunk_id ON chunk (id);
CREATE INDEX IF NOT EXISTS chunk_document ON chunk (document, start);
CREATE INDEX IF NOT EXISTS chunk_key ON chunk (key);
"""
# What each version added to the one before: table, column, type, and what it is in an older catalog.
_ADDED = {
    2: (
        ("document", "attributes", "TEXT", "NULL"),
        ("document", "beside", "TEXT", "NULL"),
        ("chunk", "key", "BLOB", "text_key(text)"),
    ),
    3: (
        ("document", "file", "TEXT", "path"),
        ("chunk", "slide", "INTEGER", "NULL"),
        ("chunk", "sheet", "TEXT", "NULL"),
        ("chunk", "cells", "TEXT", "NULL"),
    ),
    4: (("chunk", "foreword", "TEXT NOT NULL DEFAULT ''", "''"),),
}
_FAILURES_SINCE = 5  # the version whose catalogs first had failures


def text_key(text: str) -> bytes:
    """16 bytes, the same for equal texts."""
    return hashlib.sha256(text.encode()).digest()[:16]


def create(file: Path) -> None:
    """Nothing; `file` is an empty catalog."""
    connection = sqlite3.connect(file)
    try:
        create_tables(connection)
    finally:
        connection.close()


def create_tables(connection: sqlite3.Connection) -> None:
    """Nothing; an empty database is an empty catalog."""
    connection.executescript(f"{_TABLES}CREATE TABLE failure {_FAILURE}{_INDEXES}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()


def version(connection: sqlite3.Connection) -> int:
    """The version of the tables in the file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(file: Path) -> None:
    """Nothing; an older catalog has the tables of this version."""
    connection = sqlite3.connect(file)
    try:
        for table, column, kind, value in _lacking(connection):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            connection.execute(f"UPDATE {table} SET {column} = {value}")  # noqa: S608 - words of ours
        connection.executescript(f"CREATE TABLE IF NOT EXISTS failure {_FAILURE}{_INDEXES}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()
    finally:
        connection.close()


def see_as_new(connection: sqlite3.Connection) -> None:
    """Nothing; statements find the columns of this version in an older catalog. The file stays as it is."""
    lacking: dict[str, list[str]] = {}
    for table, column, _, value in _lacking(connection):
        lacking.setdefault(table, []).append(f"{value} AS {column}")
    connection.execute("PRAGMA temp_store = MEMORY")
    if version(connection) < _FAILURES_SINCE:
        connection.execute(f"CREATE TEMP TABLE failure {_FAILURE}")
    for table, columns in lacking.items():  # a temporary view hides the table of its name
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(columns)} FROM main.{table}")  # noqa: S608


def _lacking(connection: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    connection.create_function("text_key", 1, text_key, deterministic=True)
    found = version(connection)
    return [column for added_in, columns in _ADDED.items() if added_in > found for column in columns]
