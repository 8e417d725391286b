"""Room in the engines' caches for what running requests do not share."""

import asyncio
from collections import deque
from contextlib import suppress

from rag.errors import EngineTimeout

_SHARE = 0.95  # of the caches: vLLM pushes running requests out, and computes them anew, when it has no block left


class CacheRoom:
    """Tokens that running requests hold. First come, first served: a large one is not passed by small ones for ever."""

    def __init__(self) -> None:
        """Nothing is held."""
        self.n_held = 0
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    async def hold(self, n_tokens: int, kv_tokens: int, *, wait_s: float) -> None:
        """Nothing; so many tokens of the `kv_tokens` in all caches are held. One request alone always has room.

        Raises:
            EngineTimeout: there was none within `wait_s`.
        """
        capacity = int(_SHARE * kv_tokens)
        if not self._waiting and self._fits(n_tokens, capacity):
            self.n_held += n_tokens
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (n_tokens, capacity, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():  # the room came at the same moment
                self.give_back(n_tokens)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise EngineTimeout(
                f"The engines' caches had no room for {n_tokens} tokens within {wait_s:.0f} s. Try again later."
            ) from None
        finally:
            with suppress(ValueError):
                self._waiting.remove(entry)

    def give_back(self, n_tokens: int) -> None:
        """Nothing; so many tokens are held no more, and whoever waited for them goes on."""
        self.n_held -= n_tokens
        while self._waiting:
            n_wanted, capacity, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(n_wanted, capacity):
                    return
                self.n_held += n_wanted
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, n_tokens: int, capacity: int) -> bool:
        return not self.n_held or self.n_held + n_tokens <= capacity
