"""Which index of words a generation has. It looks at names and marks, and loads neither."""

import json
import sqlite3
from pathlib import Path

from rag.store.words.base import WordsKind
from rag.store.words.spelling import RECIPE

FTS_FILE = "words.db"
SEGMENTS_PREFIX = "words."  # of tantivy's own names
SEGMENTS_MARK = "words.json"  # ours; says which spelling the index has


def kind_in(generation: Path) -> WordsKind | None:
    """The kind of index that a generation has; None: it has none that this version can read."""
    if _has_fts(generation / FTS_FILE):
        return WordsKind.FTS
    return WordsKind.SEGMENTS if _has_segments(generation / SEGMENTS_MARK) else None


def mark_segments(generation: Path) -> None:
    """Nothing; what lies in `generation` is an index of this version."""
    (generation / SEGMENTS_MARK).write_text(json.dumps({"recipe": RECIPE}) + "\n", "ascii")


def _has_fts(file: Path) -> bool:
    if not file.is_file():
        return False
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0] == RECIPE)
    finally:
        connection.close()


def _has_segments(mark: Path) -> bool:
    try:
        return bool(json.loads(mark.read_text("ascii")) == {"recipe": RECIPE})
    except (FileNotFoundError, ValueError):
        return False
