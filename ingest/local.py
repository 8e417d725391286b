"""The tree of files below a folder of this machine."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ingest.tree import Entry, Look
from rag.store import stamp_of


class LocalTree:
    """Links are followed to files inside, and nowhere else."""

    def __init__(self, folder: Path, data_dir: Path | None = None) -> None:
        """data_dir: a folder that is left out."""
        self.root = str(folder)
        self._data_dir = data_dir and data_dir.resolve()

    def entries(self, folder: str) -> Sequence[Entry]:
        """What stands in a folder, by name.

        Raises:
            OSError: it cannot be listed.
        """
        with os.scandir(Path(self.root, folder)) as listing:
            return [self._entry(entry) for entry in sorted(listing, key=lambda entry: entry.name)]

    def file(self, path: str) -> Path:
        """A file, whether it is there or not."""
        return Path(self.root, path)

    def look(self, path: str) -> Look:
        """What is known of a file.

        Raises:
            OSError: it is not there.
        """
        return look_at(self.file(path))

    def _entry(self, entry: "os.DirEntry[str]") -> Entry:
        is_folder = entry.is_dir(follow_symlinks=False)
        return Entry(name=entry.name, is_folder=is_folder, refused=self._why_not(entry, is_folder=is_folder))

    def _why_not(self, entry: "os.DirEntry[str]", *, is_folder: bool) -> str | None:
        if is_folder:
            is_ours = self._data_dir is not None and Path(entry.path) == self._data_dir
            return "the data directory, which holds what was ingested" if is_ours else None
        if entry.is_symlink() and not self._is_inside(Path(entry.path)):
            return "a link that leads out of the folder or to nothing"
        # A folder is walked under its own name: following a link to it could only find doubles or loops.
        return "a link to a folder" if entry.is_dir() else None

    def _is_inside(self, link: Path) -> bool:
        try:
            return link.resolve(strict=True).is_relative_to(self.root)
        except (OSError, RuntimeError):
            return False


def look_at(file: Path) -> Look:
    """What is known of a file.

    Raises:
        OSError: it is not there.
    """
    status = file.stat()
    return Look(size=status.st_size, stamp=stamp_of(status), is_regular=stat.S_ISREG(status.st_mode))
