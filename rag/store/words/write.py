"""The word index of a generation, made from its catalog and what the generation before had."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rag.store.info import CATALOG
from rag.store.layout import sync
from rag.store.words.spelling import RECIPE, TOKENIZER, spelled

WORDS = "words.db"
# What both have is the same by number and by everything that is searched.
_ONLY_IN = (
    "SELECT c.seq, d.title, d.path, c.heading, c.text FROM {0}.chunk c JOIN {0}.document d ON d.id = c.document"
    " WHERE NOT EXISTS (SELECT 1 FROM {1}.chunk o JOIN {1}.document p ON p.id = o.document WHERE o.seq = c.seq"
    " AND o.text = c.text AND o.heading IS c.heading AND p.title IS d.title AND p.path = d.path)"
)
_EVERYTHING = (
    "SELECT c.seq, d.title, d.path, c.heading, c.text FROM new.chunk c JOIN new.document d ON d.id = c.document"
)
_ADD = "INSERT INTO words (rowid, text) VALUES (?, ?)"
# An index that keeps no text is told what to forget.
_REMOVE = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)"


def write_words(folder: Path, last: Path | None) -> str:
    """The name of the index in `folder`, which has a catalog; it is on the disk.

    last: the generation before. Where it has an index of this version, only what differs is read and indexed.

    Raises:
        OSError, sqlite3.OperationalError: the disk is full.
    """
    file = folder / WORDS
    base = last if last and has_words(last) else None
    if base:
        shutil.copyfile(base / WORDS, file)
    connection = sqlite3.connect(file.absolute().as_uri(), uri=True)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # a draft that fails is thrown away whole
            connection.execute(f"PRAGMA {pragma}")
        _attach(connection, "new", folder)
        if base:
            _attach(connection, "old", base)
            connection.executemany(_REMOVE, _rows(connection, _ONLY_IN.format("old", "new")))
            connection.executemany(_ADD, _rows(connection, _ONLY_IN.format("new", "old")))
        else:
            connection.execute(f'CREATE VIRTUAL TABLE words USING fts5(text, content = "", tokenize = "{TOKENIZER}")')
            connection.execute(f"PRAGMA user_version = {RECIPE}")
            connection.executemany(_ADD, _rows(connection, _EVERYTHING))
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.commit()
    finally:
        connection.close()
    sync(file)
    return WORDS


def has_words(generation: Path) -> bool:
    """Whether a generation has an index of words that this version can read."""
    file = generation / WORDS
    if not file.is_file():
        return False
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0] == RECIPE)
    finally:
        connection.close()


def _attach(connection: sqlite3.Connection, name: str, generation: Path) -> None:
    uri = f"{(generation / CATALOG).absolute().as_uri()}?mode=ro&immutable=1"
    connection.execute(f"ATTACH ? AS {name}", (uri,))


def _rows(connection: sqlite3.Connection, statement: str) -> Iterator[tuple[int, str]]:
    for seq, title, path, heading, text in connection.execute(statement):
        yield seq, spelled("\n".join((title or PurePosixPath(path).stem, heading or "", text)))
