"""Checksums of files; a file that has not changed since it was last read is not read again."""

import hashlib
import time
from collections.abc import Mapping

from ingest.attributes import MAX_BYTES, Scalar, read_attributes
from ingest.readers import ReadFailure
from ingest.scan import Found, reason_of, too_large
from ingest.tree import Readable
from rag.store import SeenFiles

Beside = tuple[str | None, Mapping[str, Scalar]]  # checksum and attributes


class Digests:
    """Gives checksums of what a scan found. One thread uses it."""

    def __init__(self, seen: SeenFiles, *, max_file_bytes: int, check: bool = False) -> None:
        """seen: what is known from before, and is told what is new. check: every file is read all the same."""
        self._seen = seen
        self._max_file_bytes = max_file_bytes
        self._check = check

    def sha256(self, found: Found) -> str:
        """The SHA-256 of the file's bytes.

        Raises:
            OSError: it cannot be read, or it has grown over the limit since it was found.
        """
        known = None
        if found.stamp and not self._check:
            known = self._seen.sha256(found.root, found.path, found.stamp)
        return known or self._read(found)

    def beside(self, found: Found) -> str:
        """The same of a file that names another one's attributes.

        Raises:
            OSError: it cannot be read; the message says that it is this one.
        """
        try:
            return self.sha256(found)
        except OSError as error:
            raise OSError(f"{found.file.name}: {reason_of(error)}") from None

    def _read(self, found: Found) -> str:
        now = time.time_ns()
        sha256 = hashlib.sha256(read_file(found.file, self._max_file_bytes)).hexdigest()
        if found.stamp and found.stamp.is_settled(now):
            self._seen.note(found.root, found.path, found.stamp, sha256)
        return sha256


def attributes_beside(found: Found) -> Beside:
    """Checksum and attributes of the file that names them; None and none where there is no such file.

    Raises:
        OSError: it cannot be read.
        ReadFailure: it names none. Filters may guard a document by them, so it is not taken without.
    """
    if found.beside is None:
        return None, {}
    with found.beside.file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    try:
        attributes = read_attributes(data.decode("utf-8-sig"))
    except ValueError as error:
        raise ReadFailure(f"{found.beside.file.name} names no attributes: {error}") from None
    return hashlib.sha256(data).hexdigest(), attributes


def read_file(file: Readable, max_file_bytes: int) -> bytes:
    """The file's bytes.

    Raises:
        OSError: it cannot be read, or it has grown over the limit since it was found.
    """
    with file.open("rb") as opened:
        data = opened.read(max_file_bytes + 1)
    if len(data) > max_file_bytes:
        raise OSError(too_large(len(data), max_file_bytes))
    return data
