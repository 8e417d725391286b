"""An index of words in one SQLite file, made from a catalog and what the generation before had."""

import shutil
import sqlite3
from pathlib import Path

from rag.store.layout import sync
from rag.store.words.present import FTS_FILE
from rag.store.words.rows import Rows
from rag.store.words.spelling import RECIPE, TOKENIZER

_ADD = "INSERT INTO words (rowid, text) VALUES (?, ?)"
# An index that keeps no text is told what to forget.
_REMOVE = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)"


def write_fts(folder: Path, base: Path | None) -> tuple[str, ...]:
    """The names of the files in `folder`, which has a catalog, that now are its index of words.

    base: a generation with such an index, of which only what differs is read and indexed.

    Raises:
        OSError, sqlite3.OperationalError: the disk is full.
    """
    file = folder / FTS_FILE
    if base:
        shutil.copyfile(base / FTS_FILE, file)
    connection = sqlite3.connect(file.absolute().as_uri(), uri=True)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # a draft that fails is thrown away whole
            connection.execute(f"PRAGMA {pragma}")
        rows = Rows(connection, folder, base)
        if base:
            connection.executemany(_REMOVE, rows.gone())
            connection.executemany(_ADD, rows.added())
        else:
            connection.execute(f'CREATE VIRTUAL TABLE words USING fts5(text, content = "", tokenize = "{TOKENIZER}")')
            connection.execute(f"PRAGMA user_version = {RECIPE}")
            connection.executemany(_ADD, rows.everything())
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.commit()
    finally:
        connection.close()
    sync(file)
    return (FTS_FILE,)
