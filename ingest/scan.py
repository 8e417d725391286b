"""The files below the paths given, and what of them is not taken and why."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from ingest.ignore import IGNORE_FILE, NO_IGNORES, Ignores
from ingest.local import LocalTree, look_at
from ingest.readers import is_document_name, is_image_name
from ingest.shared import SharedTree
from ingest.tree import Look, Readable, Tree
from rag.errors import ConfigError
from rag.remote import check_url, local_path
from rag.store import AnyStamp

BESIDE = ".meta.yaml"  # behind the name of a file: the file that names its attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be a document. `path` is below `root`, with POSIX separators."""

    root: str
    path: str
    file: Readable
    stamp: AnyStamp | None = None  # None: it was not looked at yet
    beside: "Found | None" = None  # the file that names its attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that is not taken."""

    root: str
    path: str  # printable
    reason: str


@dataclass(slots=True, kw_only=True)
class Scan:
    """What was found, in the order of the paths given and then by name."""

    found: list[Found] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)  # each once, in order
    # What of each root was looked at: "" is all of it, else the path of one file.
    seen: set[tuple[str, str]] = field(default_factory=set)
    # Known documents here are kept although they were not found: (root, path or folder with a final "/").
    unread: set[tuple[str, str]] = field(default_factory=set)

    def covers(self, root: str, path: str) -> bool:
        """Whether `path` would have been found if it were still a document."""
        if (root, "") not in self.seen and (root, path) not in self.seen:
            return False
        folders = (path[: index + 1] for index, letter in enumerate(path) if letter == "/")
        return (root, path) not in self.unread and not any((root, each) in self.unread for each in ("/", *folders))


def scan(
    paths: Iterable[Path | str],
    *,
    max_file_bytes: int,
    ignores: Ignores = NO_IGNORES,
    data_dir: Path | None = None,
    reads_images: bool = False,
) -> Scan:
    """All files below `paths`, which may be URLs; none but ignore files is opened.

    data_dir: a folder that is left out where it stands below another one. reads_images: images are documents too,
    since something reads them.

    Raises:
        ConfigError: a path does not exist.
        StorageUnavailable: what a URL names cannot be listed.
    """
    result = Scan()
    for path in paths:
        tree, below = _tree(path, data_dir)
        if (tree.root, "") in result.seen or (tree.root, below) in result.seen:
            continue
        result.seen.add((tree.root, below))
        if tree.root not in result.roots:
            result.roots.append(tree.root)
        _Walk(tree, _Taker(result, tree.root, max_file_bytes, reads_images=reads_images)).visit(below, ignores)
    _drop_doubles(result)
    return result


def scan_files(files: Iterable[tuple[str, str, Path]], *, max_file_bytes: int, reads_images: bool = False) -> Scan:
    """The files that may be documents, each below a root of its own: root, path and file. None is opened.

    reads_images: as of `scan`.
    """
    result = Scan()
    for root, path, file in files:
        result.roots.append(root)
        taker = _Taker(result, root, max_file_bytes, reads_images=reads_images)
        taker.take(path, file, partial(look_at, file))
    return result


def _tree(path: Path | str, data_dir: Path | None) -> tuple[Tree, str]:
    """The tree that a path or URL names, and the file in it; "" is all of it."""
    here = path if isinstance(path, Path) else local_path(path)
    if here is None:
        shared = SharedTree(check_url(str(path)))
        return shared, shared.below
    try:
        real = here.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise ConfigError(f"The path {str(path)!r} cannot be ingested: {error}. Name a file or a folder.") from None
    folder, below = (real, "") if real.is_dir() else (real.parent, real.name)
    return LocalTree(folder, data_dir), below


class _Taker:
    """Notes files below one root as found, skipped or failed."""

    def __init__(self, result: Scan, root: str, max_file_bytes: int, *, reads_images: bool) -> None:
        self._result = result
        self._root = root
        self._max_file_bytes = max_file_bytes
        self._reads_images = reads_images

    def take(self, path: str, file: Readable, look: Callable[[], Look], beside: Found | None = None) -> None:
        """Nothing; the file is found, skipped or failed."""
        try:
            seen = look()
        except OSError as error:
            self.fail(path, reason_of(error))
            return
        if not seen.is_regular:
            self.skip(path, "not a regular file")
        elif _printable(path) != path:
            self.fail(path, "the file name is not UTF-8: rename it")
        elif not is_document_name(path) and not (self._reads_images and is_image_name(path)):
            hint = "; set ingest.converter to a command that reads images" if is_image_name(path) else ""
            self.skip(path, f"not a document type ({PurePosixPath(path).suffix.lower()}){hint}")
        elif seen.size == 0:
            self.skip(path, "empty")
        elif seen.size > self._max_file_bytes:
            self.fail(path, too_large(seen.size, self._max_file_bytes))
        else:
            found = Found(root=self._root, path=path, file=file, stamp=seen.stamp, beside=beside)
            self._result.found.append(found)

    def skip(self, path: str, reason: str) -> None:
        """Nothing; the file is no document."""
        self._result.skipped.append(Refused(root=self._root, path=_printable(path), reason=reason))

    def fail(self, path: str, reason: str) -> None:
        """Nothing; the file or folder could not be looked at, and what is known of it stays."""
        self._result.failed.append(Refused(root=self._root, path=_printable(path), reason=reason))
        self._result.unread.add((self._root, path))


class _Walk:
    def __init__(self, tree: Tree, taker: _Taker) -> None:
        self._tree = tree
        self._taker = taker

    def visit(self, below: str, ignores: Ignores) -> None:
        """Nothing; everything below is noted. below: one file; "": the whole tree."""
        if below:
            self._take(below, has_beside=self._is_there(below + BESIDE))
            return
        folders = [("", ignores)]
        while folders:
            folders.extend(reversed(list(self._folder(*folders.pop()))))

    def _folder(self, folder: str, ignores: Ignores) -> Iterator[tuple[str, Ignores]]:
        """The folders in `folder`, each with a final "/", and the rules there; its files are noted."""
        try:
            entries = {entry.name: entry for entry in self._tree.entries(folder)}
            if entries.pop(IGNORE_FILE, None):
                ignores = ignores.below(folder, self._tree.file(folder + IGNORE_FILE))
        except OSError as error:
            self._taker.fail(folder or "/", f"the folder cannot be listed: {error.strerror or error}")
            return
        except ValueError as error:  # rather nothing of the folder than what was to be left out
            self._taker.fail(folder or "/", f"its {IGNORE_FILE} cannot be understood: {error}")
            return
        for name, entry in entries.items():
            path = folder + name
            if reason := ignores.reason(path + "/" if entry.is_folder else path) or entry.refused:
                self._taker.skip(path, reason)
            elif entry.is_folder:
                yield path + "/", ignores
            elif name.endswith(BESIDE):
                self._taker.skip(path, "attributes of the file beside it")
            else:
                self._take(path, has_beside=name + BESIDE in entries)

    def _take(self, path: str, *, has_beside: bool) -> None:
        beside = self._beside(path + BESIDE) if has_beside else None
        self._taker.take(path, self._tree.file(path), partial(self._tree.look, path), beside)

    def _beside(self, path: str) -> Found:
        try:
            stamp = self._tree.look(path).stamp
        except OSError:  # who reads it says why it cannot be read
            stamp = None
        return Found(root=self._tree.root, path=path, file=self._tree.file(path), stamp=stamp)

    def _is_there(self, path: str) -> bool:
        try:
            return self._tree.look(path).is_regular
        except OSError:
            return False


def reason_of(error: OSError) -> str:
    """Why a file could not be read, in words for its owner."""
    if isinstance(error, FileNotFoundError):
        return "it vanished while it was read"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"it cannot be read: {error.strerror or error}"


def too_large(size: int, limit: int) -> str:
    """Why a file of `size` bytes is refused."""
    return f"over the limit: {size} bytes, ingest.max_file_bytes is {limit}"


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _drop_doubles(result: Scan) -> None:
    """A file that was named itself and stands below a root that was named too is found once."""
    result.found = list({(found.root, found.path): found for found in result.found}.values())
