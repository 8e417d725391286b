"""Files that were read before: what has not changed since, by its size and times, need not be read again."""

import json
import os
from collections.abc import Collection
from dataclasses import astuple, dataclass
from pathlib import Path

from rag.store.layout import write_durably

# A file system's clock may tick every two seconds: what changed so shortly before it was read may change once more
# without another time of change.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file system says of a file. It differs after every change, unless that came right behind another."""

    size: int
    mtime_ns: int
    ctime_ns: int  # tools that set the time of a change back do not reach this one
    inode: int

    def is_settled(self, now_ns: int) -> bool:
        """Whether a file that is read at this time cannot change later and keep its stamp."""
        return max(self.mtime_ns, self.ctime_ns) < now_ns - _SETTLED_NS


@dataclass(frozen=True, slots=True)
class ObjectStamp:
    """What a store of objects says of one."""

    size: int
    version: str  # ETag, generation or time: another one after every change
    changed_ns: int  # of a version that is a time; 0: of one that is not

    def is_settled(self, now_ns: int) -> bool:
        """As of a file's stamp."""
        return self.changed_ns < now_ns - _SETTLED_NS


AnyStamp = Stamp | ObjectStamp


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class SeenFiles:
    """`seen.json` in the folder of a collection. Without it files are read once more, and nothing else happens."""

    def __init__(self, file: Path | None) -> None:
        """Read the file; None: there is no collection yet."""
        self._file = file
        self._entries: dict[str, dict[str, list[int | str]]] = _read(file) if file else {}
        self._changed = False

    def sha256(self, root: str, path: str, stamp: AnyStamp) -> str | None:
        """The checksum of this file's bytes, if it was read before and has not changed since."""
        entry = self._entries.get(root, {}).get(path)
        return str(entry[-1]) if entry and entry[:-1] == list(astuple(stamp)) else None

    def note(self, root: str, path: str, stamp: AnyStamp, sha256: str) -> None:
        """Nothing; the file with this stamp, settled when it was read, has this checksum."""
        self._entries.setdefault(root, {})[path] = [*astuple(stamp), sha256]
        self._changed = True

    def keep_only(self, root: str, paths: Collection[str]) -> None:
        """Nothing; other files below the root are forgotten."""
        entries = self._entries.get(root, {})
        for gone in [path for path in entries if path not in paths]:
            del entries[gone]
            self._changed = True

    def save(self) -> None:
        """Nothing; it is on the disk, if anything is new.

        Raises:
            OSError: the disk is full.
        """
        if self._changed and self._file:
            write_durably(self._file, json.dumps(self._entries, ensure_ascii=False, separators=(",", ":")))
            self._changed = False


def _read(file: Path) -> dict[str, dict[str, list[int | str]]]:
    try:
        found = json.loads(file.read_text("utf-8"))
        is_ours = all(isinstance(entry, list) for entries in found.values() for entry in entries.values())
    except (OSError, ValueError, AttributeError):  # not there or damaged
        return {}
    return found if is_ours else {}
