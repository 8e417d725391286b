"""Checksums of files; a file that has not changed since it was last read is not read again."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ingest.attributes import MAX_BYTES, Scalar, read_attributes
from ingest.readers import ReadFailure
from ingest.scan import Found, reason_of, too_large
from ingest.tree import Readable
from rag.remote import RemoteFile
from rag.store import SeenFiles

_FETCHING = 16  # files from shared storage at once
_AHEAD = 64  # files that are asked for ahead of the one that is compared
_AHEAD_BYTES = 64 * 2**20  # of these, beyond which no further one is asked for

Beside = tuple[str | None, Mapping[str, Scalar]]  # checksum and attributes


@dataclass(frozen=True, slots=True)
class Sums:
    """Checksums of a file, and of the one that names its attributes."""

    sha256: str
    beside: str | None  # None: there is none


class Digests:
    """Gives checksums of what a scan found. One thread uses it."""

    def __init__(self, seen: SeenFiles, *, max_file_bytes: int, check: bool = False) -> None:
        """seen: what is known from before, and is told what is new. check: every file is read all the same."""
        self._seen = seen
        self._max_file_bytes = max_file_bytes
        self._check = check

    def of(self, files: Iterable[Found]) -> Iterator[tuple[Found, Callable[[], Sums]]]:
        """Each file in order, with what gives its checksums.

        That raises OSError where the file, or the one that names its attributes, cannot be read or has grown over the
        limit since it was found. Files in shared storage are fetched side by side ahead of it: there each waits for
        its answer alone, however small it is.
        """
        rest = iter(files)
        ahead: deque[tuple[Found, Callable[[], Sums]]] = deque()
        n_bytes = 0  # of these
        pool = ThreadPoolExecutor(_FETCHING, thread_name_prefix="fetch")  # starts no thread before the first file
        try:
            while True:
                while len(ahead) < _AHEAD and n_bytes < _AHEAD_BYTES and (found := next(rest, None)):
                    n_bytes += _size(found)
                    ahead.append((found, self._begun(found, pool)))
                if not ahead:
                    return
                n_bytes -= _size(ahead[0][0])
                yield ahead.popleft()
        finally:
            pool.shutdown(cancel_futures=True)

    def _begun(self, found: Found, pool: Executor) -> Callable[[], Sums]:
        own = self._sha256(found, pool)
        beside = self._sha256(found.beside, pool) if found.beside else None

        def sums() -> Sums:
            return Sums(own(), _named(beside, found) if beside else None)

        return sums

    def _sha256(self, found: Found, pool: Executor) -> Callable[[], str]:
        if found.stamp and not self._check and (known := self._seen.sha256(found.root, found.path, found.stamp)):
            return lambda: known
        read: Callable[[], tuple[str, int]] = partial(_read, found, self._max_file_bytes)
        if isinstance(found.file, RemoteFile):
            read = pool.submit(read).result
        return partial(self._noted, found, read)

    def _noted(self, found: Found, read: Callable[[], tuple[str, int]]) -> str:
        sha256, at_ns = read()
        if found.stamp and found.stamp.is_settled(at_ns):
            self._seen.note(found.root, found.path, found.stamp, sha256)
        return sha256


def _read(found: Found, max_file_bytes: int) -> tuple[str, int]:
    """Checksum of the file's bytes, and when it began to be read."""
    now = time.time_ns()
    return hashlib.sha256(read_file(found.file, max_file_bytes)).hexdigest(), now


def _named(sha256: Callable[[], str], found: Found) -> str:
    """The checksum of the file that names attributes; an error says that it is this one."""
    try:
        return sha256()
    except OSError as error:
        name = found.beside.file.name if found.beside else found.file.name
        raise OSError(f"{name}: {reason_of(error)}") from None


def _size(found: Found) -> int:
    return found.file.size if isinstance(found.file, RemoteFile) else 0


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
