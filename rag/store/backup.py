"""A collection in one tar file.

backup.json                what it is: format, collection, generation
generation/<file>          the files of the generation
files/<id>/<name>          uploaded files that stand in the collection
uploads.json               what is known of them
checksums.json             the SHA-256 of each of these; last, so that a file that was cut short has none
"""

import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from rag import __version__
from rag.errors import ConfigError, CorpusError
from rag.store.carry import Carried, take_out
from rag.store.folders import current_info
from rag.store.info import MANIFEST, CollectionInfo, read_checksums
from rag.store.layout import Folder, sync
from rag.store.shelf import Shelf

FORMAT = 1
_RETRIES = 5  # a generation may be replaced twice between reading its number and opening it; five times is a fault


def write_backup(folder: Folder, shelf: Shelf | None, file: Path, *, replace_file: bool = False) -> CollectionInfo:
    """What the backup in `file` is of. It appears there whole or not at all.

    It is of one moment, whatever is ingested or served meanwhile. shelf: None where nothing was ever uploaded.

    Raises:
        ConfigError: the file is there already, or cannot be written.
        CorpusError: the disk is full, or a file of the collection is missing.
    """
    if file.exists() and not replace_file:
        raise ConfigError(f"The file {str(file)!r} exists. Name another one, or replace it by --force.")
    # Read before the generation: what is not indexed yet by then is indexed after a restore.
    carried = take_out(shelf.database, folder.id) if shelf else Carried(files=[], attachments=[], facts=[])
    with ExitStack() as stack:
        info, files = open_generation(folder, stack)
        with _appearing(file) as out, tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            writer = _Writer(tar)
            writer.add_json("backup.json", _described(folder, info))
            for name, opened in files.items():
                writer.add(f"generation/{name}", opened)
            if shelf:
                carried = replace(carried, files=list(_add_uploads(writer, shelf, carried)))
            writer.add_json("uploads.json", carried.as_dict())
            writer.add_json("checksums.json", writer.checksums)
    return info


class _Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.checksums: dict[str, str] = {}
        self._tar = tar

    def add(self, name: str, opened: BinaryIO) -> None:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(opened.fileno()).st_size
        self._add(member, opened)

    def add_json(self, name: str, document: object) -> None:
        data = json.dumps(document, ensure_ascii=False).encode()
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._add(member, io.BytesIO(data))

    def _add(self, member: tarfile.TarInfo, source: BinaryIO) -> None:
        member.mtime = int(time.time())
        reader = _Hashing(source)
        self._tar.addfile(member, reader)
        self.checksums[member.name] = reader.digest.hexdigest()


class _Hashing(io.RawIOBase):
    """Reads from another file and remembers the checksum of what was read."""

    def __init__(self, source: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._source = source

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def open_generation(folder: Folder, stack: ExitStack) -> tuple[CollectionInfo, dict[str, BinaryIO]]:
    """The current generation and its files, open: a writer may then remove them without taking them away."""
    for _ in range(_RETRIES):
        info = current_info(folder)
        path = folder.generation(info.generation)
        with ExitStack() as opening:
            try:
                names = (*read_checksums(path), MANIFEST)
                files: dict[str, BinaryIO] = {name: opening.enter_context((path / name).open("rb")) for name in names}
            except FileNotFoundError as error:
                if folder.current() == info.generation:
                    raise CorpusError(
                        f"A file of the index is missing: {error.filename!r}. Run `rag collections verify`."
                    ) from None
                continue  # replaced meanwhile
            stack.enter_context(opening.pop_all())
            return info, files
    raise CorpusError(f"The collection {folder.id!r} is replaced faster than it can be read. Ingest less often.")


def _described(folder: Folder, info: CollectionInfo) -> dict[str, object]:
    description = folder.description()
    return {
        "format": FORMAT,
        "prefixrag": __version__,
        "id": info.id,
        "name": description.name,
        "group": description.group,
        "created": description.created,
        "rules": description.rules.as_dict(),
        "generation": info.generation,
    }


def _add_uploads(writer: _Writer, shelf: Shelf, carried: Carried) -> Iterator[dict[str, object]]:
    """The rows of the files that are in the backup; one that is deleted meanwhile is not."""
    for row in carried.files:
        stored = shelf.files.get(row["id"])
        try:
            opened = shelf.files.path(stored).open("rb") if stored else None
        except FileNotFoundError:
            opened = None
        if opened:
            with opened:
                writer.add(f"files/{row['id']}/{row['filename']}", opened)
            yield row


@contextmanager
def _appearing(file: Path) -> Iterator[BinaryIO]:
    """A file that is in its place when the block ends well."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as opened:
                yield opened
                opened.flush()
                os.fsync(opened.fileno())
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        sync(file.absolute().parent)
    except OSError as error:
        raise ConfigError(
            f"The backup {str(file)!r} could not be written: {error.strerror or error}. Free disk space, or name "
            "another file."
        ) from error
