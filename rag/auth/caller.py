"""Who asks, and what they may."""

from dataclasses import dataclass, field
from enum import StrEnum

from rag.ask import Meter, Unmetered
from rag.store import KeyLimits
from rag.types import DEFAULT_GROUP


class Scope(StrEnum):
    """What a key may be used for. A key with `admin` may do everything within its group."""

    CHAT = "chat"  # chat, completions, responses, search, sources
    EMBEDDINGS = "embeddings"
    INGEST = "ingest"  # files and vector stores: create, change, delete, and see how far that is
    ADMIN = "admin"  # metrics, readiness in full, warming


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The one behind a request. Without keys there is one caller, who may do and see everything."""

    group: str = DEFAULT_GROUP
    key_id: str | None = None  # None: no key was asked for
    scopes: frozenset[Scope] = frozenset(Scope)
    collections: frozenset[str] | None = None  # ids, and names within the group, that alone are seen; None: all
    document: str | None = None  # by its name in links, the one that a signed link opens; None: no link was needed
    limits: KeyLimits = field(default_factory=KeyLimits)
    meter: Meter = field(default_factory=Unmetered, compare=False)  # of this one request

    def may(self, scope: Scope) -> bool:
        """Whether this use is allowed."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_see(self, collection_id: str, name: str, group: str) -> bool:
        """Whether a collection that belongs to `group` exists for this caller."""
        if self.key_id is None:
            return True
        if self.collections is None:
            return group == self.group
        # By name only within the group: another group could give one of its collections the same name.
        return collection_id in self.collections or (group == self.group and name in self.collections)

    def may_change(self, group: str) -> bool:
        """Whether a collection that belongs to `group` is this caller's to change: others are only read."""
        return self.key_id is None or group == self.group


NOBODY = Caller(key_id="", scopes=frozenset(), collections=frozenset())  # without a key, on a route that needs none
