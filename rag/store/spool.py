"""Vectors of a draft, on the disk as soon as they are computed: what a killed ingest has embedded is kept."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.types import EmbeddingInfo

Vectors = NDArray[np.float32]
_PREFIX = "spool-"
_READ_ROWS = 65_536


class Spool:
    """Vectors by the key of what they are of, in one file to which records are only added. One thread uses it.

    A record is whole or it is not there: after a crash the file is cut at the first one that fails its checksum.
    """

    def __init__(self, folder: Path, embedding: EmbeddingInfo) -> None:
        """Open what an earlier draft in `folder` left of this embedding model; nothing is created before `add`."""
        name = repr((embedding.model, embedding.dimensions, embedding.dtype))
        self._file = folder / f"{_PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        self._record = np.dtype([("key", "V16"), ("vector", "<f4", (embedding.dimensions,)), ("check", "<u4")])
        self._rows: dict[bytes, int] = {}
        self._n_rows = 0
        self._map: NDArray[np.void] | None = None
        if self._file.exists():
            self._recover()

    def row(self, key: bytes) -> int | None:
        """Where the vector of the text with this key stands, if it is here."""
        return self._rows.get(key)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The vectors in these rows, in order."""
        if not len(rows):
            return np.empty((0, *self._record["vector"].shape), np.float32)
        found: Vectors = self._mapped()["vector"][np.asarray(rows)].astype(np.float32)
        return found

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> range:
        """The rows of these vectors, which are in the file.

        Raises:
            OSError: the disk is full.
        """
        records = np.zeros(len(keys), self._record)
        records["key"] = np.frombuffer(b"".join(keys), "V16")
        records["vector"] = vectors
        records["check"] = [_check(record) for record in records]
        with self._file.open("r+b" if self._n_rows else "wb") as opened:
            opened.truncate(self._n_rows * self._record.itemsize)  # a write that failed may have left a part
            opened.seek(0, 2)
            opened.write(records.tobytes())
        added = range(self._n_rows, self._n_rows + len(keys))
        self._rows.update(zip(keys, added, strict=True))
        self._n_rows = added.stop
        return added

    def _mapped(self) -> NDArray[np.void]:
        # Kept, since a draft looks up what each document needs: opening the file takes longer than that.
        if self._map is None or len(self._map) < self._n_rows:
            self._map = np.memmap(self._file, self._record, "r", shape=(self._n_rows,))
        return self._map

    def _recover(self) -> None:
        self._n_rows = self._file.stat().st_size // self._record.itemsize
        records = self._mapped() if self._n_rows else np.empty(0, self._record)
        for first in range(0, self._n_rows, _READ_ROWS):
            part = np.array(records[first : first + _READ_ROWS])
            for row, record in enumerate(part, first):
                if record["check"] != _check(record):
                    self._n_rows = row
                    return
                self._rows[record["key"].tobytes()] = row


def remove_spools(folder: Path) -> None:
    """Nothing; no vectors wait in `folder`."""
    for file in folder.glob(f"{_PREFIX}*"):
        file.unlink(missing_ok=True)


def has_spool(folder: Path) -> bool:
    """Whether an ingest that was cut off has left vectors in `folder`."""
    return any(file.stat().st_size for file in folder.glob(f"{_PREFIX}*"))


def _check(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[:-4])
