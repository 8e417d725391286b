"""What a scan walks through: a tree of files, on this machine or in shared storage."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.store import AnyStamp


class Readable(Protocol):
    """A file to read, as a `Path` is one. It may be sent to other processes."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def open(self, mode: Literal["rb"], /) -> "AbstractContextManager[Bytes]":
        """Its bytes from the beginning.

        Raises:
            OSError: it cannot be read.
        """


class Bytes(Protocol):
    """An open file."""

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes; fewer at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands in a folder under a name."""

    name: str
    is_folder: bool = False
    refused: str | None = None  # why it is left out, whatever ignore files say; None: it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a file without reading it."""

    size: int
    stamp: AnyStamp | None  # None: nothing that tells a change
    is_regular: bool = True


class Tree(Protocol):
    """Files below a root. Paths in it have POSIX separators, folders a final "/"; the root is ""."""

    root: str

    def entries(self, folder: str) -> Sequence[Entry]:
        """What stands in a folder, by name.

        Raises:
            OSError: it cannot be listed.
        """

    def file(self, path: str) -> Readable:
        """A file, whether it is there or not."""

    def look(self, path: str) -> Look:
        """What is known of a file.

        Raises:
            OSError: it is not there.
        """
