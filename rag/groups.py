"""The access groups that have asked lately: those whose prefixes are worth computing ahead."""

from collections import OrderedDict

from rag.types import DEFAULT_GROUP

_REMEMBERED = 8


class Groups:
    """The last groups that asked, the default one among them until there are others."""

    def __init__(self) -> None:
        """The default group alone."""
        self._seen: OrderedDict[str, None] = OrderedDict({DEFAULT_GROUP: None})

    def note(self, group: str) -> None:
        """A group has asked."""
        self._seen[group] = None
        self._seen.move_to_end(group)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def seen(self) -> tuple[str, ...]:
        """The groups, last one first."""
        return tuple(reversed(self._seen))
