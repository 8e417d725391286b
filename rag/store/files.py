"""Uploaded files: their bytes below `files/<id>/`, what is known of them in `files.db`."""

import os
import secrets
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from rag.errors import CorpusError
from rag.store.catalog import UPLOADED
from rag.store.database import Database
from rag.store.layout import sync
from rag.types import FileId

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    n INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
    id TEXT NOT NULL UNIQUE,
    access_group TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
"""
_UNFINISHED = ".new-"
_NAME_BYTES = 200  # file systems take 255, and a name may get a longer suffix elsewhere
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An uploaded file."""

    n: int
    id: FileId
    group: str  # the access group that it belongs to
    bytes: int
    created_at: int  # Unix seconds, as every time here
    filename: str
    purpose: str
    expires_at: int | None


class Incoming:
    """A file while it arrives. Leaving the block throws away what was not kept. One thread at a time."""

    def __init__(self, folder: Path, filename: str) -> None:
        self.id = FileId(UPLOADED + secrets.token_hex(12))
        self.filename = safe_name(filename)
        self.n_bytes = 0
        self._folder = folder
        self._unfinished = folder / f"{_UNFINISHED}{self.id}"
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open it for writing."""
        try:
            self._unfinished.mkdir(parents=True)
            self._file = (self._unfinished / self.filename).open("wb")
        except OSError as error:
            raise _disk_error(self._folder, error) from error
        return self

    def write(self, data: bytes) -> None:
        """Nothing; the bytes stand at the end of the file."""
        assert self._file  # noqa: S101 - inside the block
        try:
            self._file.write(data)
        except OSError as error:
            raise _disk_error(self._folder, error) from error
        self.n_bytes += len(data)

    def keep(self) -> None:
        """Nothing; the file is whole, on the disk and in its place."""
        assert self._file  # noqa: S101 - inside the block
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._unfinished.rename(self._folder / self.id)
            sync(self._folder)
        except OSError as error:
            raise _disk_error(self._folder, error) from error

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        shutil.rmtree(self._unfinished, ignore_errors=True)


class FileStore:
    """All uploaded files below one data directory. Calls block; any thread may call."""

    def __init__(self, data_dir: Path, database: Database) -> None:
        """database: with the tables of `SCHEMA`."""
        self._folder = data_dir / "files"
        self._database = database
        self._sweep()

    def incoming(self, filename: str) -> Incoming:
        """A file that is about to arrive."""
        return Incoming(self._folder, filename)

    def add(self, incoming: Incoming, *, group: str, purpose: str, now: int, expires_at: int | None) -> StoredFile:
        """The arrived file, which can be found from now on.

        Raises:
            CorpusError: the disk is full.
        """
        incoming.keep()
        row = (incoming.id, group, incoming.n_bytes, now, incoming.filename, purpose, expires_at)
        try:
            with self._database.writing() as connection:
                connection.execute(
                    "INSERT INTO file (id, access_group, bytes, created_at, filename, purpose, expires_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                (stored,) = connection.execute("SELECT * FROM file WHERE id = ?", (incoming.id,))
        except CorpusError:
            shutil.rmtree(self._folder / incoming.id, ignore_errors=True)
            raise
        return _file(stored)

    def get(self, file_id: str) -> StoredFile | None:
        """The file with this id, if there is one."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM file WHERE id = ?", (file_id,)).fetchone()
        return _file(row) if row else None

    def files(self) -> tuple[StoredFile, ...]:
        """Every file in the order of arrival."""
        with self._database.reading() as connection:
            return tuple(map(_file, connection.execute("SELECT * FROM file ORDER BY n")))

    def expired(self, *, now: int) -> tuple[StoredFile, ...]:
        """The files whose time has passed."""
        with self._database.reading() as connection:
            return tuple(map(_file, connection.execute("SELECT * FROM file WHERE expires_at <= ?", (now,))))

    def path(self, stored: StoredFile) -> Path:
        """Where its bytes are."""
        return self._folder / stored.id / stored.filename

    def remove(self, file_id: FileId) -> None:
        """Nothing; the file is gone."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM file WHERE id = ?", (file_id,))
        shutil.rmtree(self._folder / file_id, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what uploads left that were cut off with their process."""
        for path in self._folder.glob(f"{_UNFINISHED}*"):
            if path.stat().st_mtime < time.time() - _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


def safe_name(filename: str) -> str:
    """The last part of a client's path, as a name that every file system takes."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter if letter.isprintable() else "_" for letter in name).strip()
    stem, dot, suffix = name.rpartition(".")
    if len(name.encode()) > _NAME_BYTES:
        room = _NAME_BYTES - len((dot + suffix).encode())
        name = (stem.encode()[: max(room, 1)] + (dot + suffix).encode())[:_NAME_BYTES].decode("utf-8", "ignore")
    return name if name.strip(".") else "file"


def _file(row: sqlite3.Row) -> StoredFile:
    return StoredFile(
        n=row["n"],
        id=FileId(row["id"]),
        group=row["access_group"],
        bytes=row["bytes"],
        created_at=row["created_at"],
        filename=row["filename"],
        purpose=row["purpose"],
        expires_at=row["expires_at"],
    )


def _disk_error(folder: Path, error: OSError) -> CorpusError:
    return CorpusError(
        f"The file could not be written below {str(folder)!r}: {error.strerror or error}. Free disk space, check the "
        "folder's rights, and upload it again."
    )
