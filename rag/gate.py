"""Admission: a bounded number of requests at the engine, a bounded number in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.errors import EngineTimeout, Overloaded
from rag.telemetry import Metrics


class Gate:
    """Places at the engine, given in order of arrival."""

    def __init__(self, *, max_concurrent: int, max_queue: int, metrics: Metrics) -> None:
        """max_concurrent: places. max_queue: requests that may wait for one."""
        self._places = asyncio.Semaphore(max_concurrent)
        self._max_queue = max_queue
        self._n_waiting = 0
        self._metrics = metrics

    @asynccontextmanager
    async def place(self, *, wait_s: float) -> AsyncIterator[None]:
        """Hold a place for the time of the block.

        Raises:
            Overloaded: the queue is full.
            EngineTimeout: no place got free within `wait_s`.
        """
        await self._enter(wait_s)
        self._metrics.in_flight.inc()
        try:
            yield
        finally:
            self._metrics.in_flight.dec()
            self._places.release()

    async def _enter(self, wait_s: float) -> None:
        if self._places.locked() and self._n_waiting >= self._max_queue:
            raise Overloaded(f"{self._n_waiting} requests wait already, which is the limit. Try again in a moment.")
        self._n_waiting += 1
        self._metrics.queued.inc()
        try:
            async with asyncio.timeout(wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise EngineTimeout(f"No place at the engine got free within {wait_s:.0f} s. Try again later.") from None
        finally:
            self._n_waiting -= 1
            self._metrics.queued.dec()
