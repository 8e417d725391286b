"""System messages of client applications: which of them change with every request, as with a clock in them."""

import hashlib
import re
from collections import OrderedDict
from enum import StrEnum

import structlog

log = structlog.get_logger()

_VARYING = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F]*")  # numbers, dates and ids
_REMEMBERED = 1024  # groups with their message
_FEW = 3  # different texts of one shape; fewer may be a new release of the application


class Steadiness(StrEnum):
    """What a group's system message does from request to request."""

    STEADY = "steady"
    CHANGED = "changed"  # it differs in numbers from one seen before
    VARIES = "varies"  # it does so all the time


class Applications:
    """Recognises by group a message that differs from request to request in its numbers alone."""

    def __init__(self) -> None:
        """None seen yet."""
        self._shapes: OrderedDict[tuple[str, bytes], list[bytes]] = OrderedDict()

    def look(self, text: str, group: str) -> Steadiness:
        """Whether this message changes, as far as seen. Notes it. No words of it are kept."""
        if not text:
            return Steadiness.STEADY
        shape = (group, _digest(_VARYING.sub("0", text)))
        seen = self._shapes.setdefault(shape, [])
        self._shapes.move_to_end(shape)
        while len(self._shapes) > _REMEMBERED:
            self._shapes.popitem(last=False)
        digest = _digest(text)
        is_new = digest not in seen
        if is_new and len(seen) < _FEW:
            seen.append(digest)
            if len(seen) == _FEW:
                log.warning(
                    "system_message_varies",
                    group=group,
                    advice="A client's system message changes with every request, so its conversations could not be "
                    "reused from there on. It is put behind all that is shared now. Take the clock or id out of it.",
                )
        if len(seen) == _FEW:
            return Steadiness.VARIES
        return Steadiness.CHANGED if is_new and len(seen) > 1 else Steadiness.STEADY


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
