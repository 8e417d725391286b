"""The SQLite file of a generation: roots, documents with their text, chunks. Statements and nothing else."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rag.foreword import embedded_text
from rag.store.schema import text_key
from rag.types import Anchor, Chunk, ChunkId, FileId

UPLOADED = "file-"  # at the front of the roots of uploaded files, which are their ids
_CHUNK = """
SELECT c.seq, c.id, d.path, d.title, c.start, c.end, c.text, c.heading, c.line, c.page, c.slide, c.sheet, c.cells
FROM chunk c JOIN document d ON d.id = c.document
"""
_IDS = "SELECT c.id FROM chunk c JOIN document d ON d.id = c.document"
_ORDER = " ORDER BY d.root, d.path, c.start"
_VARIABLES = 500  # SQLite's limit on `?` in one statement was 999 for long

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A file as it was ingested."""

    sha256: str
    size: int
    recipe: str
    beside: str | None = None  # SHA-256 of the file beside it that names attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A document as listings and filters see it."""

    file_id: FileId
    root: str
    path: str
    size: int  # of the file, in bytes
    recipe: str
    seqs: range  # the numbers of its chunks
    attributes: Mapping[str, Scalar] = field(default_factory=dict)  # what the document itself says, for filters

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document to store."""

    root: str
    path: str  # below the root, POSIX separators
    inside: str | None = None  # path of the archive or message that it was read from; None: it is a file itself
    title: str | None  # None: the file name without its suffix
    sha256: str
    size: int
    recipe: str
    text: str
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    beside: str | None = None  # SHA-256 of the file beside it that names attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A span of a document to store."""

    start: int
    end: int
    anchor: Anchor
    foreword: str = ""  # what stands in front of its text where it is embedded, and nowhere else

    def embedded(self, text: str) -> str:
        """What its vector is of. text: the document's."""
        return embedded_text(self.foreword, text[self.start : self.end])


def chunk_id(path: str, start: int, end: int, text: str) -> ChunkId:
    """32 hex digits, the same on every machine."""
    return ChunkId(hashlib.sha256(f"{path}\0{start}\0{end}\0{text}".encode()).hexdigest()[:32])


def file_id(root: str, path: str) -> FileId:
    """The id of a document as a file: its root's name for an uploaded one, else the same on every ingest."""
    if root.startswith(UPLOADED):  # a folder's root is an absolute path
        return FileId(root)
    return FileId(UPLOADED + hashlib.sha256(f"{root}\0{path}".encode()).hexdigest()[:24])


def open_to_read(file: Path) -> sqlite3.Connection:
    """A connection to a published catalog; the caller sees to it that one thread at a time uses it."""
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def open_to_write(file: Path) -> sqlite3.Connection:
    """A connection to a draft's catalog. It keeps no journal: a draft that fails is thrown away whole."""
    connection = sqlite3.connect(file)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def roots(connection: sqlite3.Connection) -> tuple[str, ...]:
    """All roots, in the order in which they first came."""
    return tuple(path for (path,) in connection.execute("SELECT path FROM root ORDER BY id"))


def known(connection: sqlite3.Connection, root: str) -> dict[str, Known]:
    """The files of a root by path; empty for a root that never was."""
    rows = connection.execute(
        "SELECT d.file, d.sha256, d.size, d.recipe, d.beside FROM document d JOIN root r ON r.id = d.root"
        " WHERE r.path = ? GROUP BY d.file ORDER BY d.file",  # any document of a file: they are stored together
        (root,),
    )
    return {
        path: Known(sha256=sha256, size=size, recipe=recipe, beside=beside)
        for path, sha256, size, recipe, beside in rows
    }


def listing(connection: sqlite3.Connection) -> tuple[Listed, ...]:
    """All documents by root and path."""
    # A document's chunks are stored at once and numbered in a row.
    rows = connection.execute(
        "SELECT r.path, d.path, d.size, d.recipe, d.attributes, min(c.seq), max(c.seq)"
        " FROM document d JOIN root r ON r.id = d.root LEFT JOIN chunk c ON c.document = d.id"
        " GROUP BY d.id ORDER BY d.root, d.path"
    )
    return tuple(
        Listed(
            file_id=file_id(root, path),
            root=root,
            path=path,
            size=size,
            recipe=recipe,
            seqs=range(0) if first is None else range(first, last + 1),
            attributes=json.loads(attributes) if attributes else {},
        )
        for root, path, size, recipe, attributes, first, last in rows
    )


def file_of(connection: sqlite3.Connection, seq: int) -> FileId | None:
    """The id, as a file, of the document that chunk `seq` is of."""
    row = connection.execute(
        "SELECT r.path, d.path FROM chunk c JOIN document d ON d.id = c.document JOIN root r ON r.id = d.root"
        " WHERE c.seq = ?",
        (seq,),
    ).fetchone()
    return file_id(*row) if row else None


def text_of(connection: sqlite3.Connection, root: str, path: str) -> str | None:
    """The whole text of a document."""
    row = connection.execute(
        "SELECT d.text FROM document d JOIN root r ON r.id = d.root WHERE r.path = ? AND d.path = ?", (root, path)
    ).fetchone()
    return str(row[0]) if row else None


def known_of(connection: sqlite3.Connection, root: str, path: str) -> Known | None:
    """One document."""
    row = connection.execute(
        "SELECT d.sha256, d.size, d.recipe FROM document d JOIN root r ON r.id = d.root"
        " WHERE r.path = ? AND d.path = ?",
        (root, path),
    ).fetchone()
    return Known(sha256=row[0], size=row[1], recipe=row[2]) if row else None


def chunk_at(connection: sqlite3.Connection, root: str, path: str, offset: int) -> Chunk | None:
    """The last chunk of a document that begins at `offset` or before, else its first."""
    row = connection.execute(
        f"{_CHUNK} JOIN root r ON r.id = d.root WHERE r.path = ? AND d.path = ?"
        " ORDER BY c.start > ?, CASE WHEN c.start > ? THEN c.start ELSE -c.start END LIMIT 1",
        (root, path, offset, offset),
    ).fetchone()
    return _chunk(row) if row else None


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many documents and chunks there are."""
    row = connection.execute("SELECT (SELECT count(*) FROM document), (SELECT count(*) FROM chunk)").fetchone()
    return int(row[0]), int(row[1])


def chunks_by_seq(connection: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, Chunk]:
    """The chunks with these numbers; unknown numbers are left out."""
    found: dict[int, Chunk] = {}
    for first in range(0, len(seqs), _VARIABLES):
        part = seqs[first : first + _VARIABLES]
        marks = ",".join("?" * len(part))
        found.update((row[0], _chunk(row)) for row in connection.execute(f"{_CHUNK} WHERE c.seq IN ({marks})", part))
    return found


def chunk_by_id(connection: sqlite3.Connection, wanted: ChunkId) -> Chunk | None:
    """The chunk with this id; of several, the one whose root came first."""
    row = connection.execute(f"{_CHUNK} WHERE c.id = ?{_ORDER} LIMIT 1", (wanted,)).fetchone()
    return _chunk(row) if row else None


def seqs_by_key(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """The first chunk with each of these keys of what was embedded; unknown keys are left out."""
    found: dict[bytes, int] = {}
    for first in range(0, len(keys), _VARIABLES):
        part = keys[first : first + _VARIABLES]
        marks = ",".join("?" * len(part))
        statement = f"SELECT key, min(seq) FROM chunk WHERE key IN ({marks}) GROUP BY key"  # noqa: S608 - only `?`
        found.update(connection.execute(statement, part))
    return found


def neighbours(connection: sqlite3.Connection, seq: int) -> tuple[Chunk, ...]:
    """The chunks of its document that begin nearest before and after chunk `seq`."""
    found: list[Chunk] = []
    for compare, order in (("<", "DESC"), (">", "ASC")):
        row = connection.execute(
            f"{_CHUNK} JOIN chunk own ON own.document = c.document AND own.seq = ?"
            f" WHERE c.start {compare} own.start ORDER BY c.start {order} LIMIT 1",
            (seq,),
        ).fetchone()
        if row:
            found.append(_chunk(row))
    return tuple(found)


def ordered_chunks(connection: sqlite3.Connection) -> Iterator[Chunk]:
    """All chunks by root, document path and start."""
    return map(_chunk, connection.execute(_CHUNK + _ORDER))


def prefix_version(connection: sqlite3.Connection) -> str:
    """16 hex digits over the ids of `ordered_chunks`, in order."""
    digest = hashlib.sha256()
    for (each,) in connection.execute(_IDS + _ORDER):
        digest.update(each.encode())
    return digest.hexdigest()[:16]


def document_text(connection: sqlite3.Connection, seq: int) -> str | None:
    """The whole text of the document that chunk `seq` is of."""
    row = connection.execute(
        "SELECT d.text FROM document d JOIN chunk c ON c.document = d.id WHERE c.seq = ?", (seq,)
    ).fetchone()
    return str(row[0]) if row else None


def insert_document(connection: sqlite3.Connection, document: Document) -> int:
    """The row number of a document that was not there."""
    connection.execute("INSERT OR IGNORE INTO root (path) VALUES (?)", (document.root,))
    cursor = connection.execute(
        "INSERT INTO document (root, path, file, title, sha256, size, recipe, text, attributes, beside)"
        " SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM root WHERE path = ?",
        (
            document.path,
            document.inside or document.path,
            document.title,
            document.sha256,
            document.size,
            document.recipe,
            document.text,
            json.dumps(document.attributes, ensure_ascii=False) if document.attributes else None,
            document.beside,
            document.root,
        ),
    )
    return int(cursor.lastrowid or 0)


def insert_chunks(
    connection: sqlite3.Connection, row: int, document: Document, numbered: Iterable[tuple[int, NewChunk]]
) -> None:
    """Nothing; the chunks of the document in `row` are stored under the numbers given."""
    rows = []
    for seq, chunk in numbered:
        text = document.text[chunk.start : chunk.end]
        key = chunk_id(document.path, chunk.start, chunk.end, text)
        columns = (*_columns(chunk.anchor), text, chunk.foreword, text_key(chunk.embedded(document.text)))
        rows.append((seq, key, row, chunk.start, chunk.end, *columns))
    connection.executemany(
        "INSERT INTO chunk (seq, id, document, start, end, heading, line, page, slide, sheet, cells, text, foreword,"
        " key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _columns(anchor: Anchor) -> tuple[str | int | None, ...]:
    return anchor.heading, anchor.line, anchor.page, anchor.slide, anchor.sheet, anchor.cells


# Any: the columns of `_CHUNK`, which the schema types.
def _chunk(row: tuple[Any, ...]) -> Chunk:
    seq, key, path, title, start, end, text, heading, line, page, slide, sheet, cells = row
    return Chunk(
        id=ChunkId(key),
        seq=seq,
        document=path,
        title=title or PurePosixPath(path).stem,
        anchor=Anchor(heading=heading, line=line, page=page, slide=slide, sheet=sheet, cells=cells),
        start=start,
        end=end,
        text=text,
    )
