"""Whether one engine still speaks, and an end to the waiting of those that it does not speak to any more."""

import asyncio
from collections.abc import AsyncGenerator

from rag.errors import EngineUnavailable
from rag.types import Delta


class Pulse:
    """All answers of one engine that are under way. Used on one event loop.

    One answer that is slow says nothing: a long prompt may stand before it. An engine that gives nobody a token while
    somebody waits for one is silent.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self._waits: set[asyncio.Timeout] = set()
        self._since_s: float | None = None  # on the loop's clock: when it was last asked or gave something
        self._why = ""

    @property
    def silent_s(self) -> float:
        """Seconds that the engine has given nobody anything, if somebody waits."""
        return _now_s() - self._since_s if self._waits and self._since_s is not None else 0.0

    async def next(self, deltas: AsyncGenerator[Delta, None]) -> Delta | None:
        """The next piece of an answer; None: it has ended.

        Raises:
            EngineUnavailable: the wait was broken off; and what `deltas` raises.
        """
        if self._since_s is None:
            self._since_s = _now_s()
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    delta = await anext(deltas, None)
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            raise EngineUnavailable(f"{self._why} Try again; see `rag status`.") from None
        self.settle()
        return delta

    def settle(self) -> None:
        """Note that the engine has spoken. Whoever leaves without an answer is no sign of that."""
        self._since_s = _now_s() if self._waits else None

    def break_off(self, why: str) -> None:
        """End all waiting. why: a sentence for those who waited."""
        self._why = why
        for wait in list(self._waits):
            wait.reschedule(_now_s())


def _now_s() -> float:
    return asyncio.get_running_loop().time()
