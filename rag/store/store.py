"""All collections below one data directory."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from rag.errors import CollectionBusy, ConfigError, CorpusError
from rag.settings import IndexSettings
from rag.store.draft import Draft
from rag.store.folders import Folders, current_info, no_collection
from rag.store.generation import Generation
from rag.store.info import CollectionInfo
from rag.store.layout import Folder, check_format, create_folder, mark_format, writing
from rag.store.opened import OpenGenerations
from rag.store.rules import NO_RULES, Rules
from rag.store.seen import SeenFiles
from rag.store.spool import has_spool
from rag.types import DEFAULT_GROUP, CollectionId, EmbeddingInfo

_NAME_CHARS = 256
_MOST_OPEN = 100  # collections; each takes up to six of the 1,024 file handles that a process usually may have


class Store:
    """Readers pin a generation, one writer per collection drafts the next. Any thread may call."""

    def __init__(self, data_dir: Path, index: IndexSettings | None = None, *, most_open: int = _MOST_OPEN) -> None:
        """Nothing is created before the first draft. index: which kinds drafts write; None: the defaults.

        most_open: collections that are kept open without readers.

        Raises:
            CorpusError: a newer version wrote `data_dir`.
        """
        check_format(data_dir)
        self._data_dir = data_dir
        self._index = index or IndexSettings()
        self._collections = data_dir / "collections"
        self._folders = Folders(self._collections)
        self._opened = OpenGenerations(most_open)

    def collections(self) -> tuple[CollectionInfo, ...]:
        """Every collection that has been published, by name."""
        return tuple(sorted(self._folders.infos(), key=lambda info: info.name))

    def collection(self, name_or_id: str, group: str | None = None) -> CollectionInfo:
        """The current state of one collection. group: only one that belongs to it counts.

        Raises:
            NotFound: no collection has this name or id.
        """
        return current_info(self._folders.published(name_or_id, group))

    @property
    def data_dir(self) -> Path:
        """Where all state lies."""
        return self._data_dir

    def seen(self, collection_id: CollectionId) -> SeenFiles:
        """The files that were read for this collection. Only who holds its draft may save them."""
        return SeenFiles(self._collections / collection_id / "seen.json")

    def rules(self, name_or_id: str, group: str | None = None) -> Rules:
        """How a collection's folders are ingested; of one that is not there, nothing was said."""
        folder = self._folders.find(name_or_id, group)
        return folder.description().rules if folder else NO_RULES

    @contextmanager
    def pin(self, name_or_id: str, group: str | None = None) -> Iterator[Generation]:
        """The current generation, which stays open and the same until the end of the block.

        group: only a collection that belongs to it counts.

        Raises:
            NotFound: no collection has this name or id.
            CorpusError: its files are damaged.
        """
        pinned = self._opened.pin(self._folders.published(name_or_id, group))
        try:
            yield pinned.generation
        finally:
            self._opened.unpin(pinned)

    def is_open(self, collection_id: CollectionId) -> bool:
        """Whether somebody has read the collection lately, so that it is still open."""
        return self._opened.is_open(collection_id)

    @contextmanager
    def draft(self, name: str, embedding: EmbeddingInfo, group: str | None = None) -> Iterator[Draft]:
        """The next generation of the collection `name`, made new if need be. Unpublished work is thrown away.

        group: only a collection that belongs to it counts, and a new one will; None: any, and a new one is the
        default group's.

        Raises:
            CorpusError: another writer is at work, another embedding model made the collection, or the disk is full.
            ConfigError: the name cannot be one.
        """
        mark_format(self._data_dir)
        self._collections.mkdir(exist_ok=True)
        folder = self._find_or_create(name, group)
        with writing(folder, name):
            last = current_info(folder) if folder.current() else None
            if last and last.chunks and last.embedding != embedding:
                raise _other_model(last, embedding)
            try:
                draft = Draft(folder, last, embedding, self._index, on_current=self._opened.catch_up)
                try:
                    yield draft
                finally:
                    draft.discard()
            finally:
                # A first ingest that was cut off is found by its name and goes on with what it has embedded.
                if folder.is_deleted() or not (folder.current() or has_spool(folder.path)):
                    folder.remove()

    def create(self, name: str | None, group: str, embedding: EmbeddingInfo) -> CollectionInfo:
        """A new collection without documents, published. Others may have the same name; None: it is called as its id.

        Raises:
            ConfigError: the name cannot be one.
            CorpusError: the disk is full.
        """
        mark_format(self._data_dir)
        self._collections.mkdir(exist_ok=True)
        self._sweep()
        new_id = _new_id()
        if name is not None:
            check_name(name)
        folder = create_folder(self._collections, new_id, name or new_id, group)
        with self.draft(folder.id, embedding) as draft:
            draft.publish(though_empty=True)
        return current_info(folder)

    def rename(self, name_or_id: str, name: str | None) -> CollectionInfo:
        """The collection under its new name; None: it is called as its id.

        Raises:
            NotFound: no collection has this name or id.
            ConfigError: the name cannot be one.
        """
        folder = self._folders.published(name_or_id)
        if name is not None:
            check_name(name)
        folder.describe(replace(folder.description(), name=name or folder.id), folder.id)
        self._opened.retire(folder.id)  # it is open under the old name
        return current_info(folder)

    def delete(self, name_or_id: str) -> None:
        """Nothing; the collection is gone. Requests that have it pinned end undisturbed.

        A writer at work on it ends with `NotFound`, and its files go then.

        Raises:
            NotFound: no collection has this name or id.
        """
        folder = self._folders.find(name_or_id)
        if folder is None:
            raise no_collection(name_or_id)
        try:
            folder.mark_deleted()
        except FileNotFoundError:  # another process was quicker
            raise no_collection(name_or_id) from None
        self._sweep()
        self._opened.retire(folder.id)

    def close(self) -> None:
        """Nothing; every file is closed. No generation may be pinned."""
        self._opened.close()

    def _sweep(self) -> None:
        """Remove the files of deleted collections that nobody writes to."""
        for mark in self._collections.glob("vs_*/DELETED"):
            with suppress(CollectionBusy), writing(Folder(mark.parent), mark.parent.name):
                Folder(mark.parent).remove()

    def _find_or_create(self, name: str, group: str | None) -> Folder:
        with FileLock(self._collections / ".lock"):  # two first ingests must not make two collections of one name
            found = self._folders.find(name, group)
            if found is not None:
                return found
            check_name(name)
            return create_folder(self._collections, _new_id(), name, group or DEFAULT_GROUP)


def _new_id() -> CollectionId:
    return CollectionId(f"vs_{secrets.token_hex(12)}")


def check_name(name: str) -> None:
    """Nothing, if a collection can have this name.

    Raises:
        ConfigError: it cannot.
    """
    if not name.strip() or len(name) > _NAME_CHARS or not name.isprintable() or name.startswith("vs_"):
        raise ConfigError(
            f"A collection cannot be named {name!r}. Use 1 to {_NAME_CHARS} printable characters; "
            "`vs_` at the front is kept for ids of existing collections."
        )


def _other_model(last: CollectionInfo, embedding: EmbeddingInfo) -> CorpusError:
    if (last.embedding.model, last.embedding.dimensions) == (embedding.model, embedding.dimensions):
        cure = f"Set embedding.dtype to {last.embedding.dtype!r}"
    else:
        cure = "Set embedding.model back, ingest into another collection or --data-dir"
    return CorpusError(
        f"Collection {last.name!r} was embedded with {_describe(last.embedding)}, now it is {_describe(embedding)}. "
        f"{cure}, or delete the collection and ingest it again."
    )


def _describe(embedding: EmbeddingInfo) -> str:
    return f"{embedding.model!r} ({embedding.dimensions} dimensions, {embedding.dtype})"
