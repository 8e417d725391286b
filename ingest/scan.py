"""The files below the paths given, and what of them is not taken and why."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.readers import is_document_name
from rag.errors import ConfigError

_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be a document. `path` is below `root`, with POSIX separators."""

    root: str
    path: str
    file: Path


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


def scan(paths: Iterable[Path], *, max_file_bytes: int) -> Scan:
    """All files below `paths`; none is opened.

    Raises:
        ConfigError: a path does not exist.
    """
    result = Scan()
    for path in paths:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise ConfigError(f"The path {str(path)!r} cannot be ingested: {error}. Name a file or a folder.") from None
        root, below = (str(real), "") if real.is_dir() else (str(real.parent), real.name)
        if (root, "") in result.seen or (root, below) in result.seen:
            continue
        result.seen.add((root, below))
        if root not in result.roots:
            result.roots.append(root)
        _Walk(result, root, max_file_bytes).visit(below)
    _drop_doubles(result)
    return result


def scan_files(files: Iterable[Found], *, max_file_bytes: int) -> Scan:
    """The files that may be documents, each below a root of its own; none is opened."""
    result = Scan()
    for found in files:
        result.roots.append(found.root)
        _Walk(result, found.root, max_file_bytes).take(found.path, found.file)
    return result


class _Walk:
    def __init__(self, result: Scan, root: str, max_file_bytes: int) -> None:
        self._result = result
        self._root = root
        self._max_file_bytes = max_file_bytes

    def visit(self, below: str) -> None:
        if below:
            self.take(below, Path(self._root, below))
            return
        folders = [""]
        while folders:
            folders.extend(reversed(list(self._folder(folders.pop()))))

    def _folder(self, folder: str) -> Iterator[str]:
        """The folders in `folder`, each with a final "/"; its files are noted."""
        try:
            with os.scandir(Path(self._root, folder)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self._fail(folder or "/", f"the folder cannot be listed: {error.strerror}")
            return
        for entry in entries:
            path = folder + entry.name
            if entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS:
                self._skip(path, "ignored by rule: hidden, a cache or a package folder")
            elif entry.is_symlink() and not self._is_inside(Path(entry.path)):
                self._skip(path, "a link that leads out of the folder or to nothing")
            elif entry.is_dir(follow_symlinks=False):
                yield path + "/"
            elif entry.is_dir():
                # It leads to a folder that is walked under its own name: following it could only find doubles or loops.
                self._skip(path, "a link to a folder")
            else:
                self.take(path, Path(entry.path))

    def take(self, path: str, file: Path) -> None:
        """Nothing; the file is found, skipped or failed."""
        try:
            status = file.stat()
        except OSError as error:
            self._fail(path, reason_of(error))
            return
        if not stat.S_ISREG(status.st_mode):
            self._skip(path, "not a regular file")
        elif _printable(path) != path:
            self._fail(path, "the file name is not UTF-8: rename it")
        elif not is_document_name(path):
            self._skip(path, f"not a document type ({file.suffix.lower()})")
        elif status.st_size == 0:
            self._skip(path, "empty")
        elif status.st_size > self._max_file_bytes:
            self._fail(path, too_large(status.st_size, self._max_file_bytes))
        else:
            self._result.found.append(Found(root=self._root, path=path, file=file))

    def _is_inside(self, link: Path) -> bool:
        try:
            return link.resolve(strict=True).is_relative_to(self._root)
        except (OSError, RuntimeError):
            return False

    def _skip(self, path: str, reason: str) -> None:
        self._result.skipped.append(Refused(root=self._root, path=_printable(path), reason=reason))

    def _fail(self, path: str, reason: str) -> None:
        self._result.failed.append(Refused(root=self._root, path=_printable(path), reason=reason))
        self._result.unread.add((self._root, path))


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
