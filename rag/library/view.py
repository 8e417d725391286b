"""One vector store as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rag.store import CollectionInfo, Facts, FileStatus

COUNTED = (FileStatus.IN_PROGRESS, FileStatus.COMPLETED, FileStatus.FAILED, FileStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreView:
    """A collection, what is known of it beside its documents, and how many files are how far."""

    info: CollectionInfo
    facts: Facts
    counts: Mapping[FileStatus, int]
    is_expired: bool

    @property
    def name(self) -> str | None:
        """Its name; None: it has none, and is called as its id."""
        return None if self.info.name == self.info.id else self.info.name

    @property
    def status(self) -> Literal["expired", "in_progress", "completed"]:
        """How far it is."""
        if self.is_expired:
            return "expired"
        return "in_progress" if self.counts[FileStatus.IN_PROGRESS] else "completed"

    @property
    def usage_bytes(self) -> int:
        """What its index takes on the disk; nothing, as long as it has no documents."""
        return self.info.n_bytes if self.info.documents else 0


def created_at(info: CollectionInfo) -> int:
    """The Unix second in which a collection was made."""
    return int(datetime.fromisoformat(info.created).timestamp())


def count(statuses: Iterable[FileStatus]) -> dict[FileStatus, int]:
    """How many there are of each status that is counted."""
    found = list(statuses)
    return {status: found.count(status) for status in COUNTED}
