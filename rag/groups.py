"""The access groups that have asked lately: those whose prefixes are worth computing ahead."""

from collections import OrderedDict

from rag.types import CollectionId

_REMEMBERED = 8  # groups of one collection


class Groups:
    """Which groups asked each collection last; before any has, the one that it belongs to."""

    def __init__(self) -> None:
        """Nobody has asked."""
        self._seen: dict[CollectionId, OrderedDict[str, None]] = {}

    def note(self, group: str, collection: CollectionId) -> None:
        """A group has asked a collection."""
        seen = self._seen.setdefault(collection, OrderedDict())
        seen[group] = None
        seen.move_to_end(group)
        while len(seen) > _REMEMBERED:
            seen.popitem(last=False)

    def seen(self, collection: CollectionId, owner: str) -> tuple[str, ...]:
        """The groups, last one first."""
        return tuple(reversed(self._seen.get(collection, {owner: None})))
