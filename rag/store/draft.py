"""The next generation of a collection while it is written. Nobody sees it before `publish`."""

import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from rag.errors import CorpusError, NotFound
from rag.settings import IndexSettings
from rag.store import catalog
from rag.store.catalog import Document, Known, Listed, NewChunk
from rag.store.info import CATALOG, CollectionInfo, verify_files, write_manifest
from rag.store.layout import Folder, sync
from rag.store.vectors import VectorIndex, Vectors, open_index, write_index
from rag.types import EmbeddingInfo

_BATCH = 65_536  # vectors of the last generation that are in memory at a time


class Draft:
    """What `Store.draft` yields. One thread uses it; the collection's lock is held meanwhile.

    Texts go to disk as they come. New vectors stay in memory until `publish`.
    """

    def __init__(
        self, folder: Folder, last: CollectionInfo | None, embedding: EmbeddingInfo, index: IndexSettings
    ) -> None:
        """Start from generation `last`, or from nothing.

        Raises:
            CorpusError: the disk is full, or the last generation is damaged.
        """
        self._folder = folder
        self._last = last
        self._embedding = embedding
        self._index = index
        self._number = (last.generation if last else 0) + 1
        self._path = folder.generations / f".tmp-{self._number}"
        self._old: VectorIndex | None = None
        self._new: list[tuple[list[int], Vectors]] = []
        self._changed = False
        with _disk_errors(folder):
            self._remove_leftovers()
            self._path.mkdir()
            if last:
                source = folder.generation(last.generation)
                verify_files(source)
                shutil.copyfile(source / CATALOG, self._path / CATALOG)
                self._old = open_index(source)
            else:
                catalog.create(self._path / CATALOG)
            self._connection = catalog.open_to_write(self._path / CATALOG)
            self._first_new = self._next = self._highest_seq() + 1

    @property
    def counts(self) -> tuple[int, int]:
        """How many documents and chunks the draft has."""
        return catalog.counts(self._connection)

    def roots(self) -> tuple[str, ...]:
        """The roots that the collection knows."""
        return catalog.roots(self._connection)

    def known(self, root: str) -> dict[str, Known]:
        """The files of a root by path."""
        return catalog.known(self._connection, root)

    def files(self) -> tuple[Listed, ...]:
        """Every document as a file, by root and path."""
        return catalog.listing(self._connection)

    def vectors(self, root: str, file: str) -> Mapping[str, Vectors]:
        """The published vectors of a file's documents by chunk text, so that only new text needs to be embedded."""
        if self._old is None:
            return {}
        rows = self._connection.execute(
            "SELECT c.text, c.seq FROM chunk c JOIN document d ON d.id = c.document JOIN root r ON r.id = d.root"
            " WHERE r.path = ? AND d.file = ? AND c.seq < ?",
            (root, file, self._first_new),
        ).fetchall()
        found = self._old.vectors([seq for _, seq in rows])
        return {text: vector for (text, _), vector in zip(rows, found, strict=True)}

    def put(self, document: Document, chunks: Sequence[NewChunk], vectors: Vectors) -> None:
        """Nothing; the document is stored, in the place of one with the same root and path.

        vectors: one row per chunk, rows of length 1.

        Raises:
            NotFound: the collection was deleted meanwhile.
            CorpusError: the disk is full.
        """
        self._check_deleted()
        with _disk_errors(self._folder):
            self._delete(document.root, document.path)
            row = catalog.insert_document(self._connection, document)
            seqs = list(range(self._next, self._next + len(chunks)))
            self._next += len(chunks)
            catalog.insert_chunks(self._connection, row, document, zip(seqs, chunks, strict=True))
            self._connection.commit()
        self._new.append((seqs, np.asarray(vectors, np.float32).reshape(len(seqs), self._embedding.dimensions)))
        self._changed = True

    def move(self, root: str, old: str, new: str) -> None:
        """Nothing; the file's documents are known by their new paths. Their vectors stay, their chunk ids change."""
        with _disk_errors(self._folder):
            self._connection.execute(
                "UPDATE document SET path = ?1 || substr(path, length(?2) + 1), file = ?1"
                " WHERE file = ?2 AND root = (SELECT id FROM root WHERE path = ?3)",
                (new, old, root),
            )
            rows = self._connection.execute(
                "SELECT d.path, c.start, c.end, c.text, c.seq FROM chunk c JOIN document d ON d.id = c.document"
                " JOIN root r ON r.id = d.root WHERE r.path = ? AND d.file = ?",
                (root, new),
            ).fetchall()
            ids = [(catalog.chunk_id(path, start, end, text), seq) for path, start, end, text, seq in rows]
            self._connection.executemany("UPDATE chunk SET id = ? WHERE seq = ?", ids)
            self._connection.commit()
        self._changed = True

    def remove(self, root: str, file: str, *, keep: Collection[str] = ()) -> None:
        """Nothing; the file's documents are gone, if they were there, but those whose paths are in `keep`."""
        with _disk_errors(self._folder):
            there = self._connection.execute(
                "SELECT d.id, d.path FROM document d JOIN root r ON r.id = d.root WHERE r.path = ? AND d.file = ?",
                (root, file),
            ).fetchall()
            gone = [(row,) for row, path in there if path not in keep]
            self._connection.executemany("DELETE FROM document WHERE id = ?", gone)
            self._connection.commit()
        self._changed = True

    def publish(self, *, though_empty: bool = False) -> int:
        """The number of the generation that readers see from now on; the old one if nothing was changed.

        though_empty: a first generation is published even if it holds nothing.

        Raises:
            CorpusError: the disk is full; readers stay on the old generation.
            NotFound: the collection was deleted meanwhile.
        """
        self._check_deleted()
        if not self._changed and not (though_empty and self._last is None):
            return self._last.generation if self._last else 0
        with _disk_errors(self._folder):
            documents, chunks = self.counts
            prefix_version = catalog.prefix_version(self._connection)
            names = write_index(self._path, self._parts, chunks, self._embedding.dimensions, self._index)
            self._connection.close()
            sync(self._path / CATALOG)
            write_manifest(
                self._path,
                files=(CATALOG, *names),
                number=self._number,
                documents=documents,
                chunks=chunks,
                prefix_version=prefix_version,
                embedding=self._embedding,
            )
            self._path.rename(self._folder.generation(self._number))
            sync(self._folder.generations)
            self._folder.set_current(self._number)
        self._changed = False
        self._remove_leftovers()
        return self._number

    def discard(self) -> None:
        """Nothing; what was not published is deleted."""
        self._connection.close()
        shutil.rmtree(self._path, ignore_errors=True)
        if self._folder.current() != self._number:  # renamed, but the pointer could not be moved
            shutil.rmtree(self._folder.generation(self._number), ignore_errors=True)

    def _check_deleted(self) -> None:
        if self._folder.is_deleted():
            raise NotFound(
                f"The collection {self._folder.id!r} was deleted while this was written. Ingest into another one.",
                code="collection_not_found",
            )

    def _delete(self, root: str, path: str) -> None:
        self._connection.execute(
            "DELETE FROM document WHERE path = ? AND root = (SELECT id FROM root WHERE path = ?)", (path, root)
        )

    def _highest_seq(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(seq), -1) FROM chunk").fetchone()[0])

    def _parts(self) -> Iterator[tuple[Sequence[int], Vectors]]:
        alive = [seq for (seq,) in self._connection.execute("SELECT seq FROM chunk ORDER BY seq")]
        old = [seq for seq in alive if seq < self._first_new]
        if self._old is not None:
            for first in range(0, len(old), _BATCH):
                yield old[first : first + _BATCH], self._old.vectors(old[first : first + _BATCH])
        kept = set(alive)
        for seqs, vectors in self._new:
            rows = [row for row, seq in enumerate(seqs) if seq in kept]
            yield [seqs[row] for row in rows], vectors[rows]

    def _remove_leftovers(self) -> None:
        """Delete what a killed writer left, and all generations but the current and the one before.

        Readers keep the files of their generation open, so that deleting them takes nothing away.
        """
        current = self._folder.current()
        kept = {str(current), str(current - 1)}
        for path in self._folder.generations.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _disk_errors(folder: Folder) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise CorpusError(
            f"The next generation of {str(folder.path)!r} could not be written: {error}. "
            "Searches stay on the last one. Free disk space, check the folder's rights, and run `rag ingest` again."
        ) from error
