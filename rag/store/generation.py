"""One immutable state of a collection, open for reading."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence

import numpy as np

from rag.store import catalog, schema
from rag.store.base import newer_schema
from rag.store.catalog import Known, Listed
from rag.store.failures import Failure, read_failures
from rag.store.info import CATALOG, CollectionInfo, damaged, read_times, verify_files
from rag.store.layout import Folder
from rag.store.vectors import Vectors, open_index
from rag.store.words import open_words
from rag.types import Chunk, ChunkId, FileId


class Generation:
    """What `Store.pin` yields. Every method may be called from any thread."""

    def __init__(self, folder: Folder, info: CollectionInfo) -> None:
        """Check and open the files of generation `info.generation`.

        Raises:
            CorpusError: a file is missing or damaged.
        """
        path = folder.generation(info.generation)
        verify_files(path)
        self._folder = folder
        self.info = info
        self.number = info.generation
        self._times = read_times(path)
        self._index = open_index(path)
        self._lock = threading.Lock()  # one connection, one user at a time
        self._ordered: tuple[Chunk, ...] | None = None
        self._files: dict[FileId, Listed] | None = None
        self._failures: tuple[Failure, ...] | None = None
        self._connection = catalog.open_to_read(path / CATALOG)
        try:
            found = schema.version(self._connection)
        except sqlite3.DatabaseError:
            self._connection.close()
            raise damaged(path / CATALOG) from None
        if found > schema.VERSION:
            self._connection.close()
            raise newer_schema(path / CATALOG, found)
        schema.see_as_new(self._connection)
        self._words = open_words(path)

    def warm(self) -> None:
        """Nothing; what every search reads has been read from the disk once."""
        self._index.search(np.eye(1, self.info.embedding.dimensions, dtype=np.float32)[0], 1)

    @property
    def n_vectors(self) -> int:
        """How many vectors there are; as many as chunks, unless a file is damaged."""
        return len(self._index)

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> tuple[tuple[int, float], ...]:
        """Up to `k` pairs of chunk number and cosine similarity, best first.

        vector: float32 of shape (dimensions,), length 1. allowed: the chunks that may be found; None: all.
        """
        return self._index.search(vector, k, allowed)

    @property
    def n_chunks_by_words(self) -> int | None:
        """How many chunks the index of words has; as many as there are, unless a file is damaged. None: no index."""
        return self._words.n_chunks if self._words else None

    @property
    def has_words(self) -> bool:
        """Whether it can be searched by words. What an older version published cannot, until the next ingest."""
        return self._words is not None

    def search_words(
        self, text: str, k: int, allowed: frozenset[int] | None = None, *, share: float = 1.0
    ) -> tuple[tuple[int, float], ...]:
        """Up to `k` pairs of chunk number and BM25 of the words of `text`, best first.

        Nothing in `text` is an operator. allowed: the chunks that may be found; None: all. share: of the usual effort.
        """
        return self._words.search(text, k, allowed, share=share) if self._words else ()

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """The vectors of these chunks, float32 of shape (n, dimensions), in the order asked."""
        return self._index.vectors(seqs)

    def chunks(self, seqs: Sequence[int]) -> tuple[Chunk, ...]:
        """The chunks with these numbers, in the order asked.

        Raises:
            KeyError: a number is not of this generation.
        """
        with self._lock:
            found = catalog.chunks_by_seq(self._connection, seqs)
        return tuple(found[seq] for seq in seqs)

    def chunk(self, chunk_id: ChunkId) -> Chunk | None:
        """The chunk with this id, if there is one."""
        with self._lock:
            return catalog.chunk_by_id(self._connection, chunk_id)

    def ordered_chunks(self) -> tuple[Chunk, ...]:
        """All chunks by root, document path and start: the order of the shared prefix. Kept after the first call."""
        with self._lock:
            if self._ordered is None:
                self._ordered = tuple(catalog.ordered_chunks(self._connection))
            return self._ordered

    def embedded_texts(self) -> tuple[str, ...]:
        """What each chunk's vector is of, in the order of `ordered_chunks`."""
        with self._lock:
            return tuple(catalog.embedded_texts(self._connection))

    def document_text(self, chunk: Chunk) -> str:
        """The whole extracted text of the document that `chunk` is of.

        Raises:
            KeyError: the chunk is not of this generation.
        """
        with self._lock:
            text = catalog.document_text(self._connection, chunk.seq)
        if text is None:
            raise KeyError(chunk.seq)
        return text

    def neighbours(self, chunk: Chunk) -> tuple[Chunk, ...]:
        """The chunks of its document that begin nearest before and after `chunk`; fewer at the document's ends."""
        with self._lock:
            return catalog.neighbours(self._connection, chunk.seq)

    def files(self) -> Mapping[FileId, Listed]:
        """Every document as a file, by root and path. Kept after the first call."""
        with self._lock:
            if self._files is None:
                self._files = {listed.file_id: listed for listed in catalog.listing(self._connection)}
            return self._files

    def failures(self) -> tuple[Failure, ...]:
        """The files that the last ingest of their folder could not read, by root and path. Kept once asked for."""
        with self._lock:
            if self._failures is None:
                self._failures = read_failures(self._connection).dated(self._times)
            return self._failures

    def file_of(self, chunk: Chunk) -> Listed:
        """The one of `files` that a chunk is of.

        Raises:
            KeyError: the chunk is not of this generation.
        """
        with self._lock:
            found = catalog.file_of(self._connection, chunk.seq)
        if found is None:
            raise KeyError(chunk.seq)
        return self.files()[found]

    def text_of(self, listed: Listed) -> str:
        """The whole extracted text of one of `files`.

        Raises:
            KeyError: it is not of this generation.
        """
        with self._lock:
            text = catalog.text_of(self._connection, listed.root, listed.path)
        if text is None:
            raise KeyError(listed.file_id)
        return text

    def known_of(self, listed: Listed) -> Known:
        """One of `files` as it was ingested.

        Raises:
            KeyError: it is not of this generation.
        """
        with self._lock:
            known = catalog.known_of(self._connection, listed.root, listed.path)
        if known is None:
            raise KeyError(listed.file_id)
        return known

    def chunk_at(self, listed: Listed, offset: int) -> Chunk | None:
        """The last chunk of one of `files` that begins at `offset` of its text or before, else its first."""
        with self._lock:
            return catalog.chunk_at(self._connection, listed.root, listed.path, offset)

    def roots(self) -> tuple[str, ...]:
        """The folders that documents came from, in the order in which they first came."""
        with self._lock:
            return catalog.roots(self._connection)

    def known(self, root: str) -> dict[str, Known]:
        """The documents of a root by path."""
        with self._lock:
            return catalog.known(self._connection, root)

    def documents(self) -> tuple[tuple[str, Known], ...]:
        """Path and state of every document, by root and path."""
        return tuple(pair for root in self.roots() for pair in self.known(root).items())

    def reopened(self) -> "Generation":
        """The same once more, for work that outlasts a pin. The caller closes it.

        Raises:
            CorpusError: its files are gone, or damaged.
        """
        return Generation(self._folder, self.info)

    def close(self) -> None:
        """Nothing; the files are closed."""
        with self._lock:
            self._connection.close()
        if self._words:
            self._words.close()
