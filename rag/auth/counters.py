"""What keys have used lately: buckets that drain evenly, and places that are held. In this process, or shared."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

MINUTE_S = 60.0
ROUNDING = 1e-6  # of a request or token; what drains evenly is never quite whole


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket after a call."""

    taken: bool
    used: float  # what has not drained yet; more than the bucket's size where more was used than was asked for


class Counters(Protocol):
    """Where use is counted. `tests/contract/test_counters.py` holds each implementation to it.

    A bucket holds what a key may use in a minute and drains evenly: an idle key may use all of it at once, a busy one
    as much as drains. Nothing can be used twice in a minute at the turn of a window, and a correction is no more than
    a smaller or larger level.
    """

    async def take(self, bucket: str, amount: int, size: int, *, must: bool = False) -> Level:
        """The level after `amount` was added, if that fits `size`.

        must: add it even beyond, or take a negative amount away: what was really used.
        """

    async def hold(self, place: str, lease: str, n_places: int) -> bool:
        """Whether one of so many places is held now. It is let go by `release`, or when its holder has died."""

    async def release(self, place: str, lease: str) -> None:
        """Nothing; the place is free."""

    async def renew(self, leases: Iterable[tuple[str, str]]) -> None:
        """Nothing; these places stay held for another while."""

    async def close(self) -> None:
        """Nothing; connections are closed."""


class MemoryCounters:
    """The counters of one process. They begin at nothing when it starts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, never going back."""
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # used, as of when
        self._held: dict[str, set[str]] = {}

    async def take(self, bucket: str, amount: int, size: int, *, must: bool = False) -> Level:
        """The level after `amount` was added, if that fits."""
        now = self._clock()
        used, then = self._buckets.get(bucket, (0.0, now))
        used = max(0.0, used - (now - then) * size / MINUTE_S)
        taken = must or used + amount <= size + ROUNDING
        if taken:
            used = max(0.0, used + amount)
        self._buckets[bucket] = (used, now)
        return Level(taken, used)

    async def hold(self, place: str, lease: str, n_places: int) -> bool:
        """Whether one of so many places is held now. Whoever held it in this process has died with it."""
        held = self._held.setdefault(place, set())
        if len(held) >= n_places:
            return False
        held.add(lease)
        return True

    async def release(self, place: str, lease: str) -> None:
        """Nothing; the place is free."""
        self._held.get(place, set()).discard(lease)

    async def renew(self, leases: Iterable[tuple[str, str]]) -> None:
        """Nothing to do: they are held until released."""

    async def close(self) -> None:
        """Nothing to close."""
