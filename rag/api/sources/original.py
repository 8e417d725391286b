"""The file that a document was read from, if it is still the same file."""

import hashlib
import os
import stat
from pathlib import Path

from rag.rooms import Rooms
from rag.store import Known, Listed


class OriginalGone(Exception):
    """The file is not what was ingested; the message says why."""


def read_original(listed: Listed, known: Known, rooms: Rooms) -> bytes:
    """The bytes that were ingested: of a folder's file, or of an upload. Blocks.

    Raises:
        OriginalGone: it is not there, lies outside of its folder, or has other bytes now.
    """
    if listed.root == listed.file_id:
        stored = rooms.library.shelf.files.get(listed.root)
        if stored is None:
            raise OriginalGone("The uploaded file was deleted; its text is kept.")
        data = _read(rooms.library.shelf.files.path(stored), known.size)
    else:
        data = _read(_inside(Path(listed.root), listed.path), known.size)
    if hashlib.sha256(data).hexdigest() != known.sha256:
        raise OriginalGone(_CHANGED)
    return data


_GONE = "The original file is no longer where it was ingested from; this is the text as it was read."
_CHANGED = "The original file has changed since it was ingested; this is the text as it was read."


def _inside(root: Path, path: str) -> Path:
    """The file, all links followed, if it lies below its root."""
    try:
        file = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a loop of links; a path that none can be
        raise OriginalGone(_GONE) from None
    if not file.is_relative_to(root):
        raise OriginalGone(_GONE)
    return file


def _read(file: Path, size: int) -> bytes:
    """All of a regular file of this size. What it was replaced by may be a pipe that never ends."""
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OriginalGone(_GONE)
            if status.st_size != size:
                raise OriginalGone(_CHANGED)
            return opened.read(size)
    except OSError:
        raise OriginalGone(_GONE) from None
