"""This machine's side of shared storage: what there is to push, and where what was pulled goes.

collections/<id>/shared.json       what of the collection was last the same here and there
collections/.pull-<id>/            a generation that is being pulled; what is whole of it is not fetched again
collections/.unshared-<id>         the collection was deleted here, and shared storage has not been told yet
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from filelock import FileLock

from rag.errors import CollectionBusy, CorpusError
from rag.store.backup import open_generation
from rag.store.folders import Folders, current_info
from rag.store.generation import Generation
from rag.store.info import MANIFEST, CollectionInfo, read_checksums, read_info, sha256_of
from rag.store.layout import (
    UNSHARED,
    Description,
    Folder,
    mark_format,
    sync,
    write_durably,
    writing,
)
from rag.types import CollectionId

TOPICS = re.compile(r"topics-[0-9A-Za-z]{1,64}\.json", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What of a collection was last the same here and in shared storage, by digests."""

    url: str
    number: int  # of the release
    manifest: str
    description: str
    topics: Mapping[str, str]  # by name of file
    settled: tuple[str, ...] = ()  # names of topics that were frozen for this very generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A collection as it stands here."""

    id: CollectionId
    description: Description
    generation: int
    manifest: str
    topics: Mapping[str, str]
    shared: Shared | None


class Exchange:
    """Calls block; any thread may call."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is created before something is pulled."""
        self._data_dir = data_dir
        self._collections = data_dir / "collections"
        self._folders = Folders(self._collections)

    def ids(self) -> tuple[CollectionId, ...]:
        """Every collection here; some may not have been published."""
        folders = (Folder(path) for path in sorted(self._collections.glob("vs_*")))
        return tuple(folder.id for folder in folders if not folder.is_deleted())

    def find(self, name_or_id: str) -> CollectionId | None:
        """The id of a collection that was published here."""
        folder = self._folders.find(name_or_id)
        return folder.id if folder and folder.current() else None

    def local(self, collection_id: CollectionId) -> Local | None:
        """A collection as it stands here; None: it does not."""
        folder = Folder(self._collections / collection_id)
        if not (folder.path.is_dir() and folder.current()):
            return None
        info = current_info(folder)
        return Local(
            id=collection_id,
            description=folder.description(),
            generation=info.generation,
            manifest=sha256_of(folder.generation(info.generation) / MANIFEST),
            topics={file.name: sha256_of(file) for file in _topics(folder)},
            shared=_read_shared(folder),
        )

    @contextmanager
    def opened(self, collection_id: CollectionId) -> Iterator[tuple[CollectionInfo, Mapping[str, BinaryIO]]]:
        """The current generation and its files, open until the end of the block, whatever is ingested meanwhile."""
        with ExitStack() as stack:
            info, files = open_generation(Folder(self._collections / collection_id), stack)
            yield info, files

    def checksums(self, collection_id: CollectionId, generation: int) -> dict[str, str]:
        """The SHA-256 of each file of a generation as it was published, but for the manifest's."""
        return read_checksums(Folder(self._collections / collection_id).generation(generation))

    def topics(self, collection_id: CollectionId) -> dict[str, bytes]:
        """The frozen topics by name of file."""
        return {file.name: file.read_bytes() for file in _topics(Folder(self._collections / collection_id))}

    def set_shared(self, collection_id: CollectionId, shared: Shared) -> None:
        """Nothing; it is remembered, unless the collection is gone."""
        _write_shared(Folder(self._collections / collection_id), shared)

    @contextmanager
    def sharing(self, collection_id: CollectionId, *, waits: bool) -> Iterator[None]:
        """Nobody else on this machine pushes or pulls the collection until the end of the block.

        Raises:
            CollectionBusy: somebody does. waits: until they are done, rather.
        """
        mark_format(self._data_dir)
        (self._data_dir / "run").mkdir(exist_ok=True)
        lock = FileLock(self._data_dir / "run" / f"sharing-{collection_id}.lock", timeout=-1 if waits else 0)
        try:
            lock.acquire()
        except TimeoutError:
            raise CollectionBusy(f"The collection {collection_id!r} is being pushed or pulled. Wait for it.") from None
        try:
            yield
        finally:
            lock.release()

    def unshared(self) -> dict[CollectionId, str]:
        """Collections that were deleted here, with the URL of what has not been told yet."""
        found = {}
        for file in self._collections.glob(f"{UNSHARED}*"):
            try:
                found[CollectionId(file.name.removeprefix(UNSHARED))] = str(json.loads(file.read_text("utf-8"))["url"])
            except (ValueError, KeyError, TypeError):
                file.unlink(missing_ok=True)
        return found

    def told(self, collection_id: CollectionId) -> None:
        """Nothing; shared storage knows that the collection is deleted."""
        (self._collections / f"{UNSHARED}{collection_id}").unlink(missing_ok=True)

    def staging(self, collection_id: CollectionId, description: Description, number: int) -> Folder:
        """A folder for the files of a generation that is pulled, with what was fetched of the same one before."""
        mark_format(self._data_dir)
        folder = Folder(self._collections / f".pull-{collection_id}")
        folder.generation(number).mkdir(parents=True, exist_ok=True)
        for other in folder.generations.iterdir():
            if other.name != str(number):
                shutil.rmtree(other, ignore_errors=True)
        folder.describe(description, collection_id)
        return folder

    def reuse(self, collection_id: CollectionId, name: str, target: Path, *, sha256: str) -> bool:
        """Whether the current generation has a file with this content, which then stands at `target`, too."""
        folder = Folder(self._collections / collection_id)
        number = folder.current() if folder.path.is_dir() else 0
        source = folder.generation(number) / name
        try:
            if not number or sha256_of(source) != sha256:
                return False
            os.link(source, target)  # published files never change
        except OSError:  # gone meanwhile, or a file system without links
            return False
        return True

    def install(
        self,
        staged: Folder,
        number: int,
        *,
        collection_id: CollectionId,
        generation: int,
        replaces: int,
        topics: Mapping[str, bytes],
    ) -> int:
        """The number of the generation that readers see from now on: `generation`, or the next one that is free.

        staged: as of `staging`, complete. replaces: the current generation here, 0 for none.

        Raises:
            CorpusError: it cannot be opened by this version, or is not what its manifest says.
            CollectionBusy: an ingest is at work, or has published another generation meanwhile.
            OSError: the disk is full.
        """
        for file in staged.generation(number).iterdir():
            sync(file)
        Generation(staged, read_info(staged, number)).close()
        folder = Folder(self._collections / collection_id)
        if not replaces:
            if generation != number:
                staged.generation(number).rename(staged.generation(generation))
            _write_topics(staged, topics)
            staged.set_current(generation)
            try:
                staged.path.rename(folder.path)
            except OSError:
                raise _busy(collection_id) from None
            sync(self._collections)
            return generation
        with writing(folder, collection_id):
            if folder.current() != replaces:
                raise _busy(collection_id)
            generation = max(generation, replaces + 1)
            shutil.rmtree(folder.generation(generation), ignore_errors=True)  # renamed, but never current
            staged.generation(number).rename(folder.generation(generation))
            sync(folder.generations)
            _write_topics(folder, topics)  # first: who sees the new generation freezes no topics of its own
            folder.set_current(generation)
            folder.remove_old()
        shutil.rmtree(staged.path, ignore_errors=True)
        return generation

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone at the end of the block."""
        mark_format(self._data_dir)
        self._collections.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix=".pull-", dir=self._collections) as folder:
            yield Path(folder)

    def set_topics(self, collection_id: CollectionId, topics: Mapping[str, bytes]) -> None:
        """Nothing; the collection has these frozen topics beside what it has of other tokenizers."""
        _write_topics(Folder(self._collections / collection_id), topics)

    def describe(self, collection_id: CollectionId, description: Description) -> None:
        """Nothing; the collection is named, grouped and ruled so."""
        Folder(self._collections / collection_id).describe(description, collection_id)

    def info(self, collection_id: CollectionId) -> CollectionInfo:
        """What is known of a collection.

        Raises:
            NotFound: it is not here.
        """
        return current_info(Folder(self._collections / collection_id))


def digest_of(description: Description) -> str:
    """A digest of what may change of a description."""
    found = [description.name, description.group, description.rules.as_dict()]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _topics(folder: Folder) -> list[Path]:
    return sorted(file for file in folder.path.glob("topics-*.json") if TOPICS.fullmatch(file.name))


def _write_topics(folder: Folder, topics: Mapping[str, bytes]) -> None:
    for name, data in topics.items():
        write_durably(folder.path / name, data.decode("utf-8"))


def _read_shared(folder: Folder) -> Shared | None:
    try:
        found = json.loads((folder.path / "shared.json").read_text("utf-8"))
        return Shared(
            url=str(found["url"]),
            number=int(found["number"]),
            manifest=str(found["manifest"]),
            description=str(found["description"]),
            topics={str(name): str(digest) for name, digest in found["topics"].items()},
            settled=tuple(map(str, found["settled"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there or damaged
        return None


def _write_shared(folder: Folder, shared: Shared) -> None:
    if folder.path.is_dir():
        write_durably(folder.path / "shared.json", json.dumps(asdict(shared)) + "\n")


def _busy(collection_id: CollectionId) -> CorpusError:
    return CollectionBusy(f"The collection {collection_id!r} was changed while it was pulled. Pull it again.")
