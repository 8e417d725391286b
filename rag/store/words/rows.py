"""What is searched of each chunk, from the catalog of a generation."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rag.store.info import CATALOG
from rag.store.words.spelling import spelled

Row = tuple[int, str]  # number of a chunk, and what is searched of it

# What both have is the same by number and by everything that is searched.
_ONLY_IN = (
    "SELECT c.seq, d.title, d.path, c.heading, c.text FROM {0}.chunk c JOIN {0}.document d ON d.id = c.document"
    " WHERE NOT EXISTS (SELECT 1 FROM {1}.chunk o JOIN {1}.document p ON p.id = o.document WHERE o.seq = c.seq"
    " AND o.text = c.text AND o.heading IS c.heading AND p.title IS d.title AND p.path = d.path) ORDER BY c.seq"
)
_EVERYTHING = (
    "SELECT c.seq, d.title, d.path, c.heading, c.text FROM new.chunk c JOIN new.document d ON d.id = c.document"
    " ORDER BY c.seq"
)


class Rows:
    """The chunks of a new generation, beside those of the one that its index is made from."""

    def __init__(self, connection: sqlite3.Connection, new: Path, old: Path | None) -> None:
        """Attach the catalogs in the folders `new` and `old` to `connection`, which must take URIs."""
        self._connection = connection
        for name, folder in (("new", new), ("old", old)):
            if folder:
                uri = f"{(folder / CATALOG).absolute().as_uri()}?mode=ro&immutable=1"
                connection.execute(f"ATTACH ? AS {name}", (uri,))

    def everything(self) -> Iterator[Row]:
        """All chunks, by number."""
        return self._rows(_EVERYTHING)

    def added(self) -> Iterator[Row]:
        """Chunks that are new or are searched by other words than before, by number."""
        return self._rows(_ONLY_IN.format("new", "old"))

    def gone(self) -> Iterator[Row]:
        """Chunks that are no longer there or are searched by other words now, by number."""
        return self._rows(_ONLY_IN.format("old", "new"))

    def _rows(self, statement: str) -> Iterator[Row]:
        for seq, title, path, heading, text in self._connection.execute(statement):
            yield seq, spelled("\n".join((title or PurePosixPath(path).stem, heading or "", text)))
