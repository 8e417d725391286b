"""Files that could not be read when a collection was last ingested: a table of its catalog, and since when, beside it.

The table says of each which generation had it first, and `generation.json` when that was. So catalogs of the same files
are the same, byte for byte, whenever they were made.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rag.store.catalog import file_id
from rag.types import FileId

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file, a folder or a file in an archive that could not be read, and why."""

    root: str
    path: str  # below the root, printable; of a folder with a final "/"
    reason: str  # one line
    since: int | None = None  # Unix second from which on it was known to fail so; None: it is yet to be published

    @property
    def file_id(self) -> FileId:
        """Its id as a file: that of the document which it was before or will be."""
        return file_id(self.root, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Failures as a catalog has them."""

    rows: tuple[tuple[str, str, str, int], ...] = ()  # root, path, reason, generation; by root and path

    def replaced(self, failures: Iterable[Failure], generation: int) -> "Recorded":
        """What `generation` has of these; itself, if nothing else fails and nothing fails otherwise.

        Numbers in a reason do not count: a file over a limit that goes on growing must not make a generation each time.
        """
        before = {row[:2]: row for row in self.rows}
        rows: dict[tuple[str, str], tuple[str, str, str, int]] = {}
        for each in failures:
            key = (each.root, each.path)
            old = before.get(key)
            is_old = old is not None and _NUMBER.sub("0", old[2]) == _NUMBER.sub("0", each.reason)
            rows[key] = old if old and is_old else (*key, each.reason, generation)
        found = tuple(rows[key] for key in sorted(rows))
        return self if found == self.rows else Recorded(rows=found)

    def generations(self) -> frozenset[int]:
        """The generations that had one of these first."""
        return frozenset(row[3] for row in self.rows)

    def dated(self, times: Mapping[int, str]) -> tuple[Failure, ...]:
        """The failures, by root and path. times: when each of `generations` was made."""
        return tuple(
            Failure(root=root, path=path, reason=reason, since=_second(times.get(generation)))
            for root, path, reason, generation in self.rows
        )


def read_failures(connection: sqlite3.Connection) -> Recorded:
    """The failures in a catalog."""
    rows = connection.execute("SELECT root, path, reason, since FROM failure ORDER BY root, path")
    return Recorded(rows=tuple(rows))


def write_failures(connection: sqlite3.Connection, recorded: Recorded) -> None:
    """Nothing; the catalog has these failures and no others."""
    connection.execute("DELETE FROM failure")
    connection.executemany("INSERT INTO failure (root, path, reason, since) VALUES (?, ?, ?, ?)", recorded.rows)
    connection.commit()


def _second(time: str | None) -> int | None:
    return int(datetime.fromisoformat(time).timestamp()) if time else None
