"""Admission: a bounded number of requests at the engines, and before them only those that can be served in time."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rag.admission.pace import Pace
from rag.admission.queue import Claim, FairQueue, Need
from rag.admission.room import CacheRoom
from rag.errors import EngineTimeout, Overloaded
from rag.telemetry import Metrics
from rag.types import Priority


@dataclass(slots=True, kw_only=True)
class Place:
    """What one request holds while it is served."""

    n_kv_tokens: int = 0  # of the engines' caches, that no other request shares
    _pace: Pace = field(repr=False)

    def answered(self, first_token_s: float, n_tokens: int) -> None:
        """Nothing; what others are told follows. first_token_s: from the place to it; n_tokens: of an answer."""
        self._pace.answered(first_token_s, n_tokens)


class Gate:
    """Places at the engines. Whoever cannot get one in time for its first token is told so at once."""

    def __init__(
        self,
        *,
        max_concurrent: int,
        max_queue: int,
        objective_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_concurrent: places. max_queue: requests that may wait for one. objective_s: seconds to a first token."""
        self._max_concurrent = max_concurrent
        self._max_queue = max_queue
        self._objective_s = objective_s
        self._metrics = metrics
        self._clock = clock
        self._pace = Pace()
        self._n_held = 0
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._room = CacheRoom()

    @asynccontextmanager
    async def place(self, claim: Claim, *, wait_s: float) -> AsyncIterator[Place]:
        """Hold a place for the time of the block.

        Raises:
            Overloaded: the queue is full, or the first token would come after the objective.
            EngineTimeout: no place got free within `wait_s`.
        """
        await self._enter(claim, wait_s)
        self._metrics.in_flight.inc()
        place = Place(_pace=self._pace)
        try:
            yield place
        finally:
            self._metrics.in_flight.dec()
            self._pace.done(self._clock(), claim.n_tokens, is_busy=len(self._queue) > 0)
            self._room.give_back(place.n_kv_tokens)
            self._leave()

    async def make_room(self, place: Place, need: Need, *, wait_s: float) -> None:
        """Nothing; the engines' caches have room for what this request alone needs, until its block ends.

        Its answers count as long as answers have lately been. Where it is not known what the caches hold, nobody waits.

        Raises:
            EngineTimeout: there was no room within `wait_s`.
        """
        if need.kv_tokens is not None:
            n_tokens = need.n_prompt_tokens + need.n_answers * self._pace.answer_tokens(need.answer_tokens)
            await self._room.hold(n_tokens, need.kv_tokens, wait_s=wait_s)
            place.n_kv_tokens = n_tokens

    def predicted_wait_s(self) -> float:
        """Seconds that a short request of normal priority would wait for a place; 0 also while that is not known."""
        if self._n_held < self._max_concurrent and not len(self._queue):
            return 0.0
        return self._pace.wait_s(self._queue.tokens_before(Claim()))

    @property
    def n_kv_tokens(self) -> int:
        """Tokens of the engines' caches that running requests hold alone."""
        return self._room.n_held

    async def _enter(self, claim: Claim, wait_s: float) -> None:
        if self._n_held < self._max_concurrent and not len(self._queue):
            self._n_held += 1
            return
        self._refuse_what_comes_too_late(claim)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(claim, turn)
        self._metrics.queued.inc()
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():  # the place came at the same moment
                self._leave()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise EngineTimeout(f"No place at the engine got free within {wait_s:.0f} s. Try again later.") from None
        finally:
            self._queue.remove(turn)
            self._metrics.queued.dec()

    def _refuse_what_comes_too_late(self, claim: Claim) -> None:
        wait_s = self._pace.wait_s(self._queue.tokens_before(claim))
        late_s = wait_s + self._pace.first_s - self._objective_s
        if (n_waiting := len(self._queue)) >= self._max_queue:
            self._metrics.shed.labels("queue_full", claim.priority).inc()
            raise Overloaded(
                f"{n_waiting} requests wait already, which is the limit (server.max_queue). Try again in a moment.",
                retry_after_s=max(1, math.ceil(late_s)),
            )
        if claim.priority is not Priority.LOW and late_s > 0:
            self._metrics.shed.labels("too_late", claim.priority).inc()
            raise Overloaded(
                f"The first token would come in about {wait_s + self._pace.first_s:.1f} s, and the service promises "
                f"{self._objective_s:g} s (server.first_token_objective_s). Try again in {math.ceil(late_s)} s.",
                retry_after_s=max(1, math.ceil(late_s)),
            )

    def _leave(self) -> None:
        self._n_held -= 1
        while self._n_held < self._max_concurrent and len(self._queue):
            _, turn = self._queue.pop()
            if not turn.done():
                self._n_held += 1
                turn.set_result(None)
