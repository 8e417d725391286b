"""The files below the paths given, and what of them is not taken and why."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.ignore import IGNORE_FILE, NO_IGNORES, Ignores
from ingest.readers import is_document_name, is_image_name
from rag.errors import ConfigError
from rag.store import Stamp, stamp_of

BESIDE = ".meta.yaml"  # behind the name of a file: the file that names its attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be a document. `path` is below `root`, with POSIX separators."""

    root: str
    path: str
    file: Path
    stamp: Stamp | None = None  # None: it was not looked at yet
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
    paths: Iterable[Path],
    *,
    max_file_bytes: int,
    ignores: Ignores = NO_IGNORES,
    data_dir: Path | None = None,
    reads_images: bool = False,
) -> Scan:
    """All files below `paths`; none but ignore files is opened.

    data_dir: a folder that is left out where it stands below another one. reads_images: images are documents too,
    since something reads them.

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
        walk = _Walk(result, root, max_file_bytes, data_dir and data_dir.resolve(), reads_images=reads_images)
        walk.visit(below, ignores)
    _drop_doubles(result)
    return result


def scan_files(files: Iterable[Found], *, max_file_bytes: int, reads_images: bool = False) -> Scan:
    """The files that may be documents, each below a root of its own; none is opened.

    reads_images: as of `scan`.
    """
    result = Scan()
    for found in files:
        result.roots.append(found.root)
        _Walk(result, found.root, max_file_bytes, reads_images=reads_images).take(found.path, found.file)
    return result


class _Walk:
    def __init__(
        self, result: Scan, root: str, max_file_bytes: int, data_dir: Path | None = None, *, reads_images: bool
    ) -> None:
        self._result = result
        self._root = root
        self._max_file_bytes = max_file_bytes
        self._reads_images = reads_images
        self._data_dir = data_dir

    def visit(self, below: str, ignores: Ignores) -> None:
        if below:
            file = Path(self._root, below)
            self.take(below, file, has_beside=file.with_name(file.name + BESIDE).is_file())
            return
        folders = [("", ignores)]
        while folders:
            folders.extend(reversed(list(self._folder(*folders.pop()))))

    def _folder(self, folder: str, ignores: Ignores) -> Iterator[tuple[str, Ignores]]:
        """The folders in `folder`, each with a final "/", and the rules there; its files are noted."""
        try:
            with os.scandir(Path(self._root, folder)) as listing:
                entries = {entry.name: entry for entry in sorted(listing, key=lambda entry: entry.name)}
            if entries.pop(IGNORE_FILE, None):
                ignores = ignores.below(folder, Path(self._root, folder, IGNORE_FILE))
        except OSError as error:
            self._fail(folder or "/", f"the folder cannot be listed: {error.strerror}")
            return
        except ValueError as error:  # rather nothing of the folder than what was to be left out
            self._fail(folder or "/", f"its {IGNORE_FILE} cannot be understood: {error}")
            return
        for name, entry in entries.items():
            path = folder + name
            is_folder = entry.is_dir(follow_symlinks=False)
            if reason := ignores.reason(path + "/" if is_folder else path) or self._why_not(entry, is_folder=is_folder):
                self._skip(path, reason)
            elif is_folder:
                yield path + "/", ignores
            else:
                self.take(path, Path(entry.path), has_beside=name + BESIDE in entries)

    def _why_not(self, entry: "os.DirEntry[str]", *, is_folder: bool) -> str | None:
        """Why an entry that no rule ignores is left out; None: it is not."""
        if is_folder:
            is_ours = self._data_dir is not None and Path(entry.path) == self._data_dir
            return "the data directory, which holds what was ingested" if is_ours else None
        if entry.is_symlink() and not self._is_inside(Path(entry.path)):
            return "a link that leads out of the folder or to nothing"
        if entry.is_dir():
            # It leads to a folder that is walked under its own name: following it could only find doubles or loops.
            return "a link to a folder"
        return "attributes of the file beside it" if entry.name.endswith(BESIDE) else None

    def take(self, path: str, file: Path, *, has_beside: bool = False) -> None:
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
        elif not is_document_name(path) and not (self._reads_images and is_image_name(path)):
            hint = "; set ingest.converter to a command that reads images" if is_image_name(path) else ""
            self._skip(path, f"not a document type ({file.suffix.lower()}){hint}")
        elif status.st_size == 0:
            self._skip(path, "empty")
        elif status.st_size > self._max_file_bytes:
            self._fail(path, too_large(status.st_size, self._max_file_bytes))
        else:
            beside = self._beside(path + BESIDE, file.with_name(file.name + BESIDE)) if has_beside else None
            stamp = stamp_of(status)
            self._result.found.append(Found(root=self._root, path=path, file=file, stamp=stamp, beside=beside))

    def _beside(self, path: str, file: Path) -> Found:
        try:
            stamp = stamp_of(file.stat())
        except OSError:  # who reads it says why it cannot be read
            stamp = None
        return Found(root=self._root, path=path, file=file, stamp=stamp)

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
