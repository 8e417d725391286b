"""The generation that a draft starts from, as tables of this version."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from rag.errors import CorpusError
from rag.store import catalog, schema
from rag.store.info import CATALOG, verify_files
from rag.store.vectors import VectorIndex, Vectors, open_index

_UPGRADED = "before.db"


class Base:
    """The published catalog and vectors, which stay as they are while the draft changes. One thread uses it."""

    def __init__(self, generation: Path | None, draft: Path) -> None:
        """Open `generation`; None: an empty one. draft: the folder that is made if something has to be written.

        Raises:
            CorpusError: a file of the generation is missing or damaged, or the disk is full.
        """
        self._draft = draft
        self._catalog: Path | None = None
        self._index: VectorIndex | None = None
        if generation is None:
            self.connection = sqlite3.connect(":memory:")
            schema.create_tables(self.connection)
        else:
            verify_files(generation)
            self._catalog = generation / CATALOG
            self._index = open_index(generation)
            self.connection = self._open()
        self.n_seqs = int(self.connection.execute("SELECT coalesce(max(seq), -1) FROM chunk").fetchone()[0]) + 1

    def copy(self, file: Path) -> None:
        """Nothing; `file` is a catalog with the same documents, to be changed."""
        self._draft.mkdir(exist_ok=True)
        if self._catalog is None:
            schema.create(file)
        else:
            shutil.copyfile(self._catalog, file)

    def seqs(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """The published chunk of each text that has one, by the keys of texts."""
        return catalog.seqs_by_key(self.connection, keys)

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """The vectors of these published chunks, in order."""
        assert self._index  # noqa: S101 - an empty generation has no chunks
        return self._index.vectors(seqs)

    def remove(self) -> None:
        """Nothing; what was made beside the draft's own files is gone."""
        self.close()
        (self._draft / _UPGRADED).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing; the catalog is closed."""
        self.connection.close()

    def _open(self) -> sqlite3.Connection:
        assert self._catalog  # noqa: S101 - set by the caller
        connection = catalog.open_to_read(self._catalog)
        found = schema.version(connection)
        if found > schema.VERSION:
            connection.close()
            raise newer_schema(self._catalog, found)
        if found == schema.VERSION:
            return connection
        connection.close()
        self._draft.mkdir(exist_ok=True)
        upgraded = self._draft / _UPGRADED
        shutil.copyfile(self._catalog, upgraded)
        schema.upgrade(upgraded)
        self._catalog = upgraded
        return catalog.open_to_read(upgraded)


def newer_schema(file: Path, found: int) -> CorpusError:
    """The error for a catalog that a later version of the program wrote."""
    return CorpusError(
        f"The catalog {str(file)!r} has schema {found}, this version reads up to {schema.VERSION}. Upgrade prefixrag."
    )
