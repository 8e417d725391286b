"""The place in shared storage where releases lie: a few operations on objects, each in one request or stream."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rag.errors import CorpusError, StorageUnavailable
from rag.remote import Place, one_line
from rag.sharing.release import (
    MAX_BYTES,
    Part,
    Release,
    deleted_name,
    number_of_key,
    read_name,
    read_release,
    release_name,
)
from rag.types import CollectionId

_BLOCK = 2**22
_KEPT = 2  # releases; who pulls the one before the newest is not disturbed
_BUCKETS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}  # know no folders, but buckets that have to be there


@dataclass(frozen=True, slots=True)
class Listed:
    """What shared storage has of a collection."""

    number: int = 0  # of the newest release; 0: none
    is_deleted: bool = False


class Bucket:
    """Calls block; any thread may call. All raise StorageUnavailable when the store refuses or does not answer."""

    def __init__(self, url: str) -> None:
        """url: as `check_url` gives it. Nothing is asked yet."""
        self.url = url
        self._place = Place(url)

    def listing(self) -> dict[CollectionId, Listed]:
        """Every collection. One request for a thousand releases."""
        found: dict[CollectionId, Listed] = {}
        with self._using("be listed") as (system, base):
            for name in _names(system, base, "releases"):
                read = read_name(name)
                if read:
                    before = found.get(read[0], Listed())
                    number = before.number if read[1] is None else max(before.number, read[1])
                    found[read[0]] = Listed(number, before.is_deleted or read[1] is None)
        return found

    def release(self, collection_id: CollectionId, number: int) -> Release:
        """A release."""
        name = release_name(collection_id, number)
        try:
            with self._using("be read") as (system, base):
                data = bytes(system.cat_file(f"{base}/{name}", start=0, end=MAX_BYTES))
        except FileNotFoundError:
            raise _gone(self.url, name) from None
        return read_release(data, collection_id, number)

    def create(self, release: Release) -> bool:
        """Whether the release is there from now on; False: another one of its number was first.

        The store decides where it can: S3 and GCS by a condition of the request, file systems by a link. A store
        that knows no conditions (some that only resemble S3) has the last one of two that come at the same moment.
        """
        name, data = release_name(release.id, release.number), release.as_bytes()
        try:
            with self._using("be written") as (system, base):
                path = f"{base}/{name}"
                if system.exists(path):
                    return False
                _create(system, path, data)
                return bytes(system.cat_file(path)) == data
        except FileExistsError:
            return False

    def new_folder(self, collection_id: CollectionId, number: int) -> str:
        """Where the files of one push go, below the URL."""
        return f"data/{collection_id}/{number:012}-{secrets.token_hex(4)}"

    def put(self, source: BinaryIO, key: str, *, sha256: str) -> Part:
        """The file, stored.

        Raises:
            CorpusError: it is not what was published.
        """
        source.seek(0)
        digest, n_bytes = hashlib.sha256(), 0
        with self._using("be written") as (system, base):
            path = f"{base}/{key}"
            _make_folder(system, path)
            with system.open(path, "wb") as out:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    n_bytes += len(block)
                    out.write(block)
        if digest.hexdigest() != sha256:
            raise CorpusError(
                f"The file {key.rpartition('/')[2]!r} of the index is not what was published, so it was not pushed. "
                "Run `rag collections verify`."
            )
        return Part(key=key, n_bytes=n_bytes, sha256=sha256)

    def get(self, part: Part, target: Path) -> None:
        """Nothing; `target` has the file. It appears there whole or not at all.

        Raises:
            OSError: the disk is full.
        """
        partial = target.with_name(f".{target.name}.part")
        try:
            with self._using("be read") as (system, base), partial.open("wb") as out:
                _copy(system, f"{base}/{part.key}", part, out)
            partial.replace(target)
        except FileNotFoundError:
            raise _gone(self.url, part.key) from None
        finally:
            partial.unlink(missing_ok=True)

    def delete(self, collection_id: CollectionId) -> None:
        """Nothing; the collection is gone for everybody, and its files with it."""
        with self._using("be written") as (system, base):
            path = f"{base}/{deleted_name(collection_id)}"
            _make_folder(system, path)
            system.pipe_file(path, b"")
        self.collect(collection_id, newest=0)

    def collect(self, collection_id: CollectionId, *, newest: int) -> None:
        """Nothing; what no release needs is gone, and old releases. newest: the number of the newest; 0: of none.

        Files of pushes that are at work stay: their numbers are higher.
        """
        with self._using("be written") as (system, base):
            named = [read_name(name) for name in _names(system, base, "releases")]
        numbers = sorted(read[1] for read in named if read and read[0] == collection_id and read[1] is not None)
        kept = numbers[-_KEPT:] if newest else []
        needed: set[str] = set()
        for number in kept:
            with suppress(StorageUnavailable):  # a broken one needs nothing
                needed |= self.release(collection_id, number).keys
        with self._using("be written") as (system, base):
            old = [release_name(collection_id, number) for number in numbers if number not in kept]
            for key in _names(system, base, f"data/{collection_id}"):
                pushed = number_of_key(key)
                if pushed is not None and key not in needed and (pushed < newest or not newest):
                    old.append(key)
            for name in old:
                with suppress(FileNotFoundError):
                    system.rm_file(f"{base}/{name}")

    @contextmanager
    def _using(self, what: str) -> Iterator[tuple[Any, str]]:  # Any: fsspec has no types
        with self._place.using(what) as (system, base):
            yield system, base.rstrip("/")


def _names(system: Any, base: str, folder: str) -> list[str]:  # noqa: ANN401 - fsspec has no types
    """The files below a folder, by what they are called below the URL. What is not there holds none."""
    try:
        found = system.find(f"{base}/{folder}")
    except FileNotFoundError as error:
        if _protocols(system) & _BUCKETS:
            raise OSError(f"the bucket is not there ({one_line(error)})") from None
        return []
    return [str(name).removeprefix(base).removeprefix("/") for name in found]


def _make_folder(system: Any, path: str) -> None:  # noqa: ANN401 - fsspec has no types
    if not _protocols(system) & (_BUCKETS | {"memory"}):
        system.makedirs(path.rpartition("/")[0], exist_ok=True)


def _create(system: Any, path: str, data: bytes) -> None:  # noqa: ANN401 - fsspec has no types
    _make_folder(system, path)
    if not _protocols(system) & {"file", "local"}:
        system.pipe_file(path, data, mode="create")
        return
    temporary = Path(f"{path}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(temporary, path)  # whole, or refused where another one is
    finally:
        temporary.unlink(missing_ok=True)


def _copy(system: Any, path: str, part: Part, out: BinaryIO) -> None:  # noqa: ANN401 - fsspec has no types
    digest, n_bytes = hashlib.sha256(), 0
    with system.open(path, "rb", block_size=2**24, cache_type="readahead") as source:
        while n_bytes <= part.n_bytes and (block := source.read(_BLOCK)):
            digest.update(block)
            n_bytes += len(block)
            out.write(block)
    if digest.hexdigest() != part.sha256:
        raise OSError(f"{part.key} is not what was pushed: it has other bytes or another length")
    out.flush()
    os.fsync(out.fileno())


def _protocols(system: Any) -> set[str]:  # noqa: ANN401 - fsspec has no types
    return {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)


def _gone(url: str, name: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"{url!r} has no {name!r} any more: a newer release has replaced it, or somebody has deleted it. Try again, or "
        "push again from the machine that ingests."
    )
