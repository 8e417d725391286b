"""What all readers of files with files inside share: names that can be trusted, and the protocol."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Protocol

from ingest.readers.base import Member
from ingest.readers.kinds import is_document_name
from ingest.readers.limits import Budget

_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_IGNORED = frozenset({"__pycache__", "node_modules", "__MACOSX"})
_NAME_CHARS = 1000


class Container(Protocol):
    """Gives the files inside a file. Same bytes, same members in the same order."""

    def members(self, data: bytes, budget: Budget) -> Iterator[Member]:
        """The members, unpacked one at a time and within the budget.

        Raises:
            ReadFailure: the rest cannot be had; the message says why.
        """


class Names:
    """The names of one container's members: nothing is ever written under them, but documents are told by them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def take(self, raw: str) -> tuple[str, str | None]:
        """The name as a path below the container, and why its file is skipped, if it is."""
        name = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", raw.replace("\\", "/"))[:_NAME_CHARS]
        parts = [part for part in name.split("/") if part not in {"", "."}]
        clean = "/".join(parts) or "unnamed"
        if name.startswith("/") or _DRIVE.match(name) or ".." in parts:
            return clean, "its path leads out of the archive"
        if clean in self._seen:
            return clean, "a second file of this name in the archive"
        self._seen.add(clean)
        if any(part.startswith(".") or part in _IGNORED for part in parts):
            return clean, "ignored by rule: hidden, a cache or a package folder"
        if not is_document_name(clean):
            return clean, f"not a document type ({PurePosixPath(clean).suffix.lower()})"
        return clean, None
