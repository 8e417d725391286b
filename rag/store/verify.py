"""Whether everything that belongs to a collection is there and says the same."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rag.errors import CorpusError
from rag.foreword import embedded_text
from rag.store import catalog, schema
from rag.store.catalog import UPLOADED
from rag.store.failures import read_failures
from rag.store.folders import current_info
from rag.store.generation import Generation
from rag.store.info import CATALOG, MANIFEST, CollectionInfo, read_checksums, sha256_of
from rag.store.layout import Folder
from rag.store.shelf import Shelf

_BATCH = 8192
_AGAIN = "Restore a backup (`rag collections restore`), or delete the collection and run `rag ingest` again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it was published."""

    place: str
    what: str
    cure: str = _AGAIN


def verify_collection(folder: Folder, shelf: Shelf | None) -> list[Problem]:
    """What is wrong with the current generation of a collection and its uploaded files; reads all of it once.

    shelf: None where nothing was ever uploaded.
    """
    try:
        info = current_info(folder)
        problems = list(_files(folder, info))
        if problems:  # what is built on them need not be looked at
            return problems
        generation = Generation(folder, info)
    except CorpusError as error:
        return [Problem(place=str(folder.path), what=str(error))]
    try:
        problems += _vectors(generation)
    finally:
        generation.close()
    connection = catalog.open_to_read(folder.generation(info.generation) / CATALOG)
    try:
        schema.see_as_new(connection)
        place = str(folder.generation(info.generation) / CATALOG)
        problems += (Problem(place=place, what=what) for what in _catalog(connection, info))
    finally:
        connection.close()
    return problems + (list(_uploads(shelf, info)) if shelf else [])


def _files(folder: Folder, info: CollectionInfo) -> Iterator[Problem]:
    path = folder.generation(info.generation)
    checksums = read_checksums(path)
    for name, expected in checksums.items():
        file = path / name
        if not file.is_file():
            yield Problem(place=str(file), what="The file is missing.")
        elif sha256_of(file) != expected:
            yield Problem(place=str(file), what="The file is not what was published: its checksum is another.")
    for name in sorted({file.name for file in path.iterdir()} - {*checksums, MANIFEST}):
        yield Problem(place=str(path / name), what="Nobody knows this file.", cure="Delete it.")


def _vectors(generation: Generation) -> Iterator[Problem]:
    info = generation.info
    place = f"vectors of generation {info.generation}"
    if generation.n_vectors != info.chunks:
        yield Problem(place=place, what=f"There are {generation.n_vectors} vectors for {info.chunks} chunks.")
    if generation.n_chunks_by_words not in (None, info.chunks):
        what = f"It has {generation.n_chunks_by_words} of {info.chunks} chunks."
        yield Problem(place=f"index of words of generation {info.generation}", what=what)
    seqs = [chunk.seq for chunk in generation.ordered_chunks()]
    for first in range(0, len(seqs), _BATCH):
        part = seqs[first : first + _BATCH]
        try:
            vectors = generation.vectors(part)
        except (RuntimeError, KeyError, IndexError):
            yield Problem(place=place, what="A chunk has no vector.")
            return
        if vectors.shape[1] != info.embedding.dimensions:
            wrong = f"Vectors have {vectors.shape[1]} dimensions instead of {info.embedding.dimensions}."
            yield Problem(place=place, what=wrong)
            return
        if not np.isfinite(vectors).all() or not np.any(vectors, axis=1).all():
            yield Problem(place=place, what="A vector is zero or not finite.")
            return


def _catalog(connection: sqlite3.Connection, info: CollectionInfo) -> Iterator[str]:
    for (said,) in connection.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield f"SQLite says: {said}."
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        yield "A document has no root, or a chunk no document."
    if catalog.counts(connection) != (info.documents, info.chunks):
        yield f"It has {catalog.counts(connection)} documents and chunks, not {(info.documents, info.chunks)}."
    if len(read_failures(connection).rows) != info.failed:
        yield f"It has {len(read_failures(connection).rows)} failed files, not {info.failed}."
    if catalog.prefix_version(connection) != info.prefix_version:
        yield "Its chunks are not those of the manifest."
    for row, path, text, attributes in connection.execute("SELECT id, path, text, attributes FROM document"):
        if attributes and not isinstance(json.loads(attributes), dict):
            yield f"The attributes of {path!r} are none."
        yield from _chunks(connection, row, path, text)


def _chunks(connection: sqlite3.Connection, document: int, path: str, text: str) -> Iterator[str]:
    rows = connection.execute(
        "SELECT seq, id, start, end, text, foreword, key FROM chunk WHERE document = ? ORDER BY seq", (document,)
    ).fetchall()
    for index, (seq, chunk_id, start, end, words, foreword, key) in enumerate(rows):
        if seq != rows[0][0] + index:
            yield f"The chunks of {path!r} are not numbered in a row."
        if text[start:end] != words:
            yield f"A chunk of {path!r} is not the text from {start} to {end} of its document."
        is_named = catalog.chunk_id(path, start, end, words) == chunk_id
        if not is_named or schema.text_key(embedded_text(foreword, words)) != key:
            yield f"The id of the chunk from {start} to {end} of {path!r} is not that of its words."


def _uploads(shelf: Shelf, info: CollectionInfo) -> Iterator[Problem]:
    for attachment in shelf.attachments.of_store(info.id):
        if attachment.cut is None or not attachment.file_id.startswith(UPLOADED):
            continue
        stored = shelf.files.get(attachment.file_id)
        if stored is None:
            continue  # deleted; it leaves the collection with the next indexing
        file = shelf.files.path(stored)
        if not file.is_file() or file.stat().st_size != stored.bytes:
            yield Problem(
                place=str(file),
                what=f"The uploaded file is missing, or does not have {stored.bytes} bytes.",
                cure="Restore a backup, or delete it and upload it again.",
            )
