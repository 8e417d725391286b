"""Collections verified, backed up and restored."""

import secrets
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from rag.errors import ConfigError, CorpusError
from rag.store.backup import write_backup
from rag.store.carry import put_in
from rag.store.folders import Folders, current_info
from rag.store.info import CollectionInfo
from rag.store.layout import Folder, mark_format
from rag.store.restore import Unpacked, keep_uploads, remove_unpacked, unpack
from rag.store.shelf import Shelf
from rag.store.store import check_name
from rag.store.verify import Problem, verify_collection


class Copies:
    """What is done with a collection as a whole. Calls block and read every byte."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is created before a restore."""
        self._data_dir = data_dir
        self._collections = data_dir / "collections"
        self._folders = Folders(self._collections)

    def verify(self, name_or_id: str) -> list[Problem]:
        """What is wrong with a collection and the uploaded files in it.

        Raises:
            NotFound: no collection has this name or id.
        """
        folder = self._folders.published(name_or_id)
        shelf = self._shelf()
        try:
            return verify_collection(folder, shelf)
        finally:
            if shelf:
                shelf.close()

    def backup(self, name_or_id: str, file: Path, *, replace_file: bool = False) -> CollectionInfo:
        """What the backup in `file` is of.

        Raises:
            NotFound: no collection has this name or id.
            ConfigError: the file is there already, or cannot be written.
            CorpusError: a file of the collection is missing.
        """
        folder = self._folders.published(name_or_id)
        shelf = self._shelf()
        try:
            return write_backup(folder, shelf, file, replace_file=replace_file)
        finally:
            if shelf:
                shelf.close()

    def restore(self, file: Path, *, name: str | None = None) -> CollectionInfo:
        """The collection that the backup is of, under its own name or another one. It appears whole or not at all.

        It has its own id too, if no other collection has that.

        Raises:
            ConfigError: it is no backup, or the name is taken.
            CorpusError: what is in it does not fit together, or the disk is full.
        """
        mark_format(self._data_dir)
        made = Folder(self._collections / f".new-vs_{secrets.token_hex(12)}")
        uploads = self._data_dir / "files" / f".new-{secrets.token_hex(12)}"
        try:
            made.generations.mkdir(parents=True)
            unpacked = unpack(file, made, uploads)
            with FileLock(self._collections / ".lock"):  # as who makes a collection of a name holds it
                return self._publish(made, self._named(unpacked, name), uploads)
        except FileNotFoundError:
            raise ConfigError(
                f"There is no file {str(file)!r}. Name a file that `rag collections backup` made."
            ) from None
        except OSError as error:
            raise CorpusError(
                f"The backup {str(file)!r} could not be restored: {error.strerror or error}. Free disk space, or "
                "name another --data-dir."
            ) from error
        finally:
            remove_unpacked(made, uploads)

    def _named(self, unpacked: Unpacked, name: str | None) -> Unpacked:
        wanted = name or unpacked.description.name
        check_name(wanted)
        if self._folders.find(wanted, unpacked.description.group):
            raise ConfigError(
                f"There is a collection {wanted!r} already. Name another one by --as, or delete it first."
            )
        return replace(unpacked, description=replace(unpacked.description, name=wanted))

    def _publish(self, made: Folder, unpacked: Unpacked, uploads: Path) -> CollectionInfo:
        collection_id = unpacked.id
        if (self._collections / collection_id).exists():
            collection_id = type(collection_id)(made.id.removeprefix(".new-"))
        made.describe(unpacked.description, collection_id)
        made.set_current(unpacked.generation)
        problems = verify_collection(made, None)
        if problems:
            raise CorpusError(f"The backup is damaged: {problems[0].what} Restore another one.")
        if unpacked.carried.attachments or unpacked.carried.facts:
            shelf = Shelf(self._data_dir)
            try:
                keep_uploads(unpacked.carried, uploads, lambda file_id: self._data_dir / "files" / file_id)
                put_in(shelf.database, collection_id, unpacked.carried)
            finally:
                shelf.close()
        return current_info(Folder(made.path.rename(self._collections / collection_id)))

    def _shelf(self) -> Shelf | None:
        return Shelf(self._data_dir) if (self._data_dir / "files.db").exists() else None
