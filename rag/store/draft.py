"""The next generation of a collection while it is written. Nobody sees it before `publish`."""

import shutil
import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from rag.errors import CorpusError, NotFound
from rag.settings import IndexSettings
from rag.store import catalog
from rag.store.base import Base
from rag.store.catalog import Document, Known, Listed, NewChunk
from rag.store.failures import Failure, read_failures, write_failures
from rag.store.info import CATALOG, CollectionInfo, read_checksums, read_times, write_manifest
from rag.store.layout import Folder, link_files, sync
from rag.store.rules import Rules
from rag.store.schema import text_key
from rag.store.spool import Spool, remove_spools
from rag.store.vectors import Vectors, write_index
from rag.store.words import has_words, write_words
from rag.types import CollectionId, EmbeddingInfo

_BATCH = 65_536


class Draft:
    """What `Store.draft` yields. One thread uses it; the collection's lock is held meanwhile.

    Texts and vectors go to disk as they come, and nothing is written before the first change. What was embedded is
    kept when the draft is not published: the next one finds it.
    """

    def __init__(
        self,
        folder: Folder,
        last: CollectionInfo | None,
        embedding: EmbeddingInfo,
        index: IndexSettings,
        *,
        on_current: Callable[[Folder], None],
    ) -> None:
        """Start from generation `last`, or from nothing. on_current: called when the draft has become current.

        Raises:
            CorpusError: the last generation is damaged.
        """
        self._folder = folder
        self._last = last
        self._embedding = embedding
        self._index = index
        self._on_current = on_current
        self._number = (last.generation if last else 0) + 1
        self._path = folder.generations / f".tmp-{self._number}"
        self._changed = False
        self._has_other_chunks = False  # than the last generation
        self._source = folder.generation(last.generation) if last else None
        with _disk_errors(folder):
            self._folder.remove_old()
            self._spool = Spool(folder.path, embedding)
            self._base = Base(self._source, self._path)
            self._lacks_words = self._source is not None and not has_words(self._source)
        self._connection = self._base.connection
        self._failures = read_failures(self._connection)
        self._times = read_times(self._source) if self._source else {}
        self._next = self._first_new = self._base.n_seqs
        # Of each new chunk the number that it takes its vector from: of a published chunk, or ~row of the spool.
        self._sources = array("q")

    @property
    def collection_id(self) -> CollectionId:
        """The collection that it is of."""
        return self._folder.id

    @property
    def rules(self) -> Rules:
        """How the collection's folders are ingested."""
        return self._folder.description().rules

    def set_rules(self, rules: Rules) -> None:
        """Nothing; the collection has these rules from now on, published or not."""
        if rules != self.rules:
            with _disk_errors(self._folder):
                self._folder.describe(replace(self._folder.description(), rules=rules), self._folder.id)

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

    def failures(self) -> tuple[Failure, ...]:
        """The files that could not be read, by root and path."""
        return self._failures.dated(self._times)

    def set_failures(self, failures: Iterable[Failure]) -> None:
        """Nothing; these files could not be read, and no others. `since` of those that failed before stays."""
        recorded = self._failures.replaced(failures, self._number)
        if recorded is self._failures:
            return
        with _disk_errors(self._folder):
            write_failures(self._begun(), recorded)
        self._failures = recorded

    def vectors(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """The vectors that are known of these texts, published or embedded by a draft before this one.

        texts: what is embedded, which of a chunk may be more than its own text.
        """
        keys = {text_key(text): text for text in texts}
        found = self._find(list(keys))
        rows = self._take(list(found.values()))
        return {keys[key]: row for key, row in zip(found, rows, strict=True)}

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Nothing; these vectors are on the disk, and this draft or the next one finds them.

        Raises:
            CorpusError: the disk is full.
        """
        with _disk_errors(self._folder):
            self._keep(texts, vectors)

    def put(self, document: Document, chunks: Sequence[NewChunk], vectors: Vectors) -> None:
        """Nothing; the document is stored, in the place of one with the same root and path.

        vectors: one row per chunk, rows of length 1.

        Raises:
            NotFound: the collection was deleted meanwhile.
            CorpusError: the disk is full.
        """
        self._check_deleted()
        with _disk_errors(self._folder):
            connection = self._begun_anew()
            vectors = np.asarray(vectors, np.float32).reshape(len(chunks), self._embedding.dimensions)
            self._sources.extend(self._keep([each.embedded(document.text) for each in chunks], vectors))
            self._delete(document.root, document.path)
            row = catalog.insert_document(connection, document)
            seqs = range(self._next, self._next + len(chunks))
            self._next = seqs.stop
            catalog.insert_chunks(connection, row, document, zip(seqs, chunks, strict=True))
            connection.commit()

    def move(self, root: str, old: str, new: str) -> None:
        """Nothing; the file's documents are known by their new paths. Their vectors stay, their chunk ids change."""
        with _disk_errors(self._folder):
            connection = self._begun_anew()
            connection.execute(
                "UPDATE document SET path = ?1 || substr(path, length(?2) + 1), file = ?1"
                " WHERE file = ?2 AND root = (SELECT id FROM root WHERE path = ?3)",
                (new, old, root),
            )
            rows = connection.execute(
                "SELECT d.path, c.start, c.end, c.text, c.seq FROM chunk c JOIN document d ON d.id = c.document"
                " JOIN root r ON r.id = d.root WHERE r.path = ? AND d.file = ?",
                (root, new),
            ).fetchall()
            ids = [(catalog.chunk_id(path, start, end, text), seq) for path, start, end, text, seq in rows]
            connection.executemany("UPDATE chunk SET id = ? WHERE seq = ?", ids)
            connection.commit()

    def remove(self, root: str, file: str, *, keep: Collection[str] = ()) -> None:
        """Nothing; the file's documents are gone, if they were there, but those whose paths are in `keep`."""
        with _disk_errors(self._folder):
            there = self._connection.execute(
                "SELECT d.id, d.path FROM document d JOIN root r ON r.id = d.root WHERE r.path = ? AND d.file = ?",
                (root, file),
            ).fetchall()
            gone = [(row,) for row, path in there if path not in keep]
            if not gone:
                return
            connection = self._begun_anew()
            connection.executemany("DELETE FROM document WHERE id = ?", gone)
            connection.commit()

    def publish(self, *, though_empty: bool = False) -> int:
        """The number of the generation that readers see from now on; the old one if nothing was changed.

        though_empty: a first generation is published even if it holds nothing.

        Raises:
            CorpusError: the disk is full; readers stay on the old generation.
            NotFound: the collection was deleted meanwhile.
        """
        self._check_deleted()
        is_due = self._changed or self._lacks_words or (though_empty and self._last is None)
        if not is_due:
            remove_spools(self._folder.path)
            return self._last.generation if self._last else 0
        with _disk_errors(self._folder):
            connection = self._begun()
            documents, chunks = self.counts
            prefix_version = catalog.prefix_version(connection)
            names = self._write_indexes(connection, chunks)
            write_manifest(
                self._path,
                files=(CATALOG, *names),
                number=self._number,
                documents=documents,
                chunks=chunks,
                prefix_version=prefix_version,
                embedding=self._embedding,
                failed=len(self._failures.rows),
                failing_since={each: self._times.get(each, "") for each in sorted(self._failures.generations())},
            )
            self._path.rename(self._folder.generation(self._number))
            sync(self._folder.generations)
            self._folder.set_current(self._number)
        self._changed = False
        remove_spools(self._folder.path)
        self._folder.remove_old()
        self._on_current(self._folder)
        return self._number

    def discard(self) -> None:
        """Nothing; what was not published is deleted, but for vectors."""
        self._connection.close()
        self._base.close()
        shutil.rmtree(self._path, ignore_errors=True)
        if self._folder.current() != self._number:  # renamed, but the pointer could not be moved
            shutil.rmtree(self._folder.generation(self._number), ignore_errors=True)

    def _write_indexes(self, connection: sqlite3.Connection, chunks: int) -> tuple[str, ...]:
        """The names of the files of vectors and words. The catalog is closed, and all of it on the disk."""
        last = self._source if not (self._has_other_chunks or self._lacks_words) else None
        vectors = () if last else write_index(self._path, self._parts, chunks, self._embedding.dimensions, self._index)
        connection.close()
        self._base.remove()
        sync(self._path / CATALOG)
        if last:  # only other files fail: however large the indexes are, that costs nothing
            return link_files(last, self._path, read_checksums(last).keys() - {CATALOG})
        return (*vectors, *write_words(self._path, self._source, chunks, self._index))

    def _begun(self) -> sqlite3.Connection:
        """The draft's own catalog, which is made by the first change."""
        if not self._changed:
            self._base.copy(self._path / CATALOG)
            self._connection = catalog.open_to_write(self._path / CATALOG)
            self._changed = True
        return self._connection

    def _begun_anew(self) -> sqlite3.Connection:
        """The same, to change which chunks there are."""
        self._has_other_chunks = True
        return self._begun()

    def _keep(self, texts: Sequence[str], vectors: Vectors) -> list[int]:
        """Where the vectors of these texts stand; those that stood nowhere are on the disk now."""
        keys = [text_key(text) for text in texts]
        found = self._find(list(dict.fromkeys(keys)))
        known = dict(zip(found, self._take(list(found.values())), strict=True))
        new = {
            key: row for row, key in enumerate(keys) if key not in known or not np.array_equal(known[key], vectors[row])
        }
        added = self._spool.add(list(new), vectors[list(new.values())]) if new else ()
        found |= {key: ~row for key, row in zip(new, added, strict=True)}
        return [found[key] for key in keys]

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Where the vectors of texts with these keys stand, as far as they are known."""
        found = self._base.seqs(keys)
        spooled = ((key, self._spool.row(key)) for key in keys)
        return found | {key: ~row for key, row in spooled if row is not None}

    def _take(self, sources: Sequence[int]) -> Vectors:
        """The vectors that stand there, in order."""
        places = np.asarray(sources, np.int64)
        vectors = np.empty((len(places), self._embedding.dimensions), np.float32)
        is_old = places >= 0
        if is_old.any():
            vectors[is_old] = self._base.vectors(places[is_old].tolist())
        if not is_old.all():
            vectors[~is_old] = self._spool.vectors((~places[~is_old]).tolist())
        return vectors

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

    def _parts(self) -> Iterator[tuple[Sequence[int], Vectors]]:
        rows = self._connection.execute("SELECT seq FROM chunk ORDER BY seq")
        while alive := [seq for (seq,) in rows.fetchmany(_BATCH)]:
            first = self._first_new
            yield alive, self._take([seq if seq < first else self._sources[seq - first] for seq in alive])


@contextmanager
def _disk_errors(folder: Folder) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise CorpusError(
            f"The next generation of {str(folder.path)!r} could not be written: {error}. "
            "Searches stay on the last one. Free disk space, check the folder's rights, and run `rag ingest` again."
        ) from error
