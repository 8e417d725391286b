"""Where state lies below the data directory, and writes that survive a crash.

    FORMAT                                 version of this layout
    collections/<id>/collection.json       id, name, access group, created
    collections/<id>/CURRENT               number of the published generation
    collections/<id>/generations/<n>/      one immutable generation
    collections/<id>/DELETED               the collection is gone; its files go with the next writer
    collections/<id>/lock                  held by the one writer
    collections/<id>/spool-<model>         vectors of a draft that is being written, or whose writer was killed
    collections/<id>/seen.json             files that were read, by size and times, with their checksums
    collections/<id>/topics-<fingerprint>.json   frozen topics, for one chat tokenizer
    collections/<id>/shared.json           what was last the same here and in shared storage
    collections/.pull-<id>/                a generation that is being pulled from there
    collections/.unshared-<id>             the collection was deleted here, which is yet to be told there
    tokens/<fingerprint>.db                token arrays of one chat tokenizer
    turns.db                               what earlier turns of conversations showed
    responses.db                           responses that clients may come back to
    keys.db                                API keys, by the hash of their secret
    files/<id>/<name>                      an uploaded file
    files.db                               uploaded files and what stands in which collection

A file is written beside its place and renamed into it.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import CollectionBusy, ConfigError, CorpusError
from rag.store.rules import NO_RULES, Rules, read_rules
from rag.types import DEFAULT_GROUP, CollectionId

FORMAT = 1
UNSHARED = ".unshared-"  # at the front of what is said of collections that were deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a collection was created as. Only its name and its rules can change."""

    name: str
    group: str  # the access group that it belongs to
    created: str  # UTC, as 2026-11-24T09:00:00Z
    rules: Rules = NO_RULES


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one collection."""

    path: Path

    @property
    def id(self) -> CollectionId:
        """The collection's id, which is the folder's name."""
        return CollectionId(self.path.name)

    @property
    def generations(self) -> Path:
        """The folder of all generations."""
        return self.path / "generations"

    def generation(self, number: int) -> Path:
        """The folder of one generation."""
        return self.generations / str(number)

    def is_deleted(self) -> bool:
        """Whether the collection is gone for everybody, though a writer may still be at work on it."""
        return (self.path / "DELETED").exists()

    def mark_deleted(self) -> None:
        """Nothing; from here on there is no such collection. Atomic. If it was shared, that is to be told."""
        with suppress(FileNotFoundError):
            shared = (self.path / "shared.json").read_text("utf-8")
            write_durably(self.path.with_name(f"{UNSHARED}{self.id}"), shared)
        write_durably(self.path / "DELETED", "")

    def remove(self) -> None:
        """Nothing; the files are gone. Out of the way first, so that nobody finds half of them."""
        gone = self.path.with_name(f".gone-{self.id}")
        with suppress(FileNotFoundError):
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def current(self) -> int:
        """The number of the published generation; 0 when none ever was, or the collection is deleted."""
        if self.is_deleted():
            return 0
        file = self.path / "CURRENT"
        try:
            return int(file.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise CorpusError(
                f"The pointer to the current generation is damaged: {str(file)!r}. "
                f"Write the highest number below {str(self.generations)!r} into it, or delete the collection."
            ) from None

    def set_current(self, number: int) -> None:
        """Nothing; from here on readers see generation `number`. Atomic."""
        write_durably(self.path / "CURRENT", f"{number}\n")

    def remove_old(self) -> None:
        """Nothing; what a killed writer left is gone, and all generations but the current and the one before.

        Who holds the lock may call. Readers keep the files of their generation open, so nothing is taken from them.
        """
        current = self.current()
        kept = {str(current), str(current - 1)}
        for path in self.generations.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def description(self) -> Description:
        """What the collection was created as."""
        file = self.path / "collection.json"
        try:
            found = json.loads(file.read_text("utf-8"))
            return Description(
                name=str(found["name"]),
                group=str(found.get("group", DEFAULT_GROUP)),
                created=str(found["created"]),
                rules=read_rules(found.get("rules", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError):
            raise CorpusError(
                f"The description of a collection is damaged or missing: {str(file)!r}. "
                f"Delete it with `rag collections delete {self.id}` and run `rag ingest` again."
            ) from None

    def describe(self, description: Description, collection_id: CollectionId) -> None:
        """Nothing; the collection has this description. Atomic."""
        found: dict[str, object] = {"id": collection_id, "name": description.name, "group": description.group}
        found |= {"created": description.created, "rules": description.rules.as_dict()}
        write_durably(self.path / "collection.json", json.dumps(found, ensure_ascii=False) + "\n")


def create_folder(collections: Path, collection_id: CollectionId, name: str, group: str) -> Folder:
    """The folder of a new collection, without a generation."""
    unfinished = Folder(collections / f".new-{collection_id}")
    unfinished.generations.mkdir(parents=True)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    unfinished.describe(Description(name=name, group=group, created=created), collection_id)
    return Folder(unfinished.path.rename(collections / collection_id))


@contextmanager
def writing(folder: Folder, name: str) -> Iterator[None]:
    """The one writer's lock on a collection is held until the end of the block.

    Raises:
        CollectionBusy: another writer holds it.
    """
    lock = FileLock(folder.path / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CollectionBusy(
            f"Another ingest is running on collection {name!r}. Wait until it has ended, or end it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_format(data_dir: Path) -> None:
    """Nothing, if this version can read what lies in `data_dir`.

    Raises:
        CorpusError: a newer version wrote it, or FORMAT is damaged.
        ConfigError: it cannot be a data directory: no folder, no right to read it, or no UTF-8 name.
    """
    file = data_dir / "FORMAT"
    try:
        str(data_dir).encode()  # faiss and JSON take no other name
    except UnicodeEncodeError:
        raise ConfigError(f"The data directory {str(data_dir)!r} is not named in UTF-8. Rename it.") from None
    try:
        found = int(file.read_text("ascii"))
    except FileNotFoundError:
        return
    except (NotADirectoryError, PermissionError) as error:
        raise _unusable(data_dir, error) from None
    except ValueError:
        raise CorpusError(f"The layout version is damaged: {str(file)!r}. Write {FORMAT} into it.") from None
    if found > FORMAT:
        raise CorpusError(
            f"{str(data_dir)!r} has layout {found}, this version reads up to {FORMAT}. "
            "Upgrade prefixrag or name another --data-dir."
        )


def mark_format(data_dir: Path) -> None:
    """Nothing; `data_dir` exists and says which layout it has.

    Raises:
        CorpusError, ConfigError: as `check_format`.
    """
    check_format(data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(data_dir, error) from None
    if not (data_dir / "FORMAT").exists():
        write_durably(data_dir / "FORMAT", f"{FORMAT}\n")


def _unusable(data_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The data directory {str(data_dir)!r} cannot be used: {error.strerror or error}. "
        "Name a folder of yours by --data-dir."
    )


def write_durably(file: Path, text: str) -> None:
    """Nothing; `file` has `text` or, after a crash, what it had before."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)


def link_files(source: Path, target: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The names, in order; `target` has these files of a published generation, which nobody changes, as well."""
    found = tuple(sorted(names))
    for name in found:
        try:
            os.link(source / name, target / name)
        except OSError:  # a file system without links
            shutil.copyfile(source / name, target / name)
            sync(target / name)
    return found


def sync(path: Path) -> None:
    """Nothing; the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
