"""Many callers, one encoder: texts that arrive together are computed together.

Source: the split into queue, budget and worker follows text-embeddings-inference and infinity (both read
2026-11): a token budget with padding counted, entries whose caller has gone are dropped before they cost
anything, and a full queue is refused at once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rag.embed.base import Encoder, Vectors
from rag.errors import Overloaded

# Given to the encoder together, which cuts them in batches of like length: half a second's work of two cores.
_BATCH_TOKENS = 8192


@dataclass(slots=True, kw_only=True)
class _Entry:
    text: str
    n_tokens: int
    query: bool
    future: asyncio.Future[Vectors]


class Batcher:
    """An asynchronous face for an encoder. The only place that calls it, from one thread of its own.

    A batch takes what waits, in order of arrival, up to `batch_tokens` (longest text times count). Nothing
    lingers for company: while one batch computes the next one gathers, which is delay enough under load and
    none without.
    """

    def __init__(self, encoder: Encoder, *, batch_tokens: int = _BATCH_TOKENS, max_queue: int) -> None:
        """Take over `encoder`: nobody else may call it from now on."""
        self.encoder = encoder
        self._batch_tokens = batch_tokens
        self._max_queue = max_queue
        self._waiting: deque[_Entry] = deque()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._worker: asyncio.Task[None] | None = None

    async def queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, shape (n, dimensions).

        Raises:
            Overloaded: more texts wait than `max_queue` allows.
        """
        return await self._submit(texts, query=True)

    async def documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, shape (n, dimensions).

        Raises:
            Overloaded: more texts wait than `max_queue` allows.
        """
        return await self._submit(texts, query=False)

    async def close(self) -> None:
        """Stop the worker. Callers that still wait are cancelled."""
        if self._worker:
            self._worker.cancel()
        for entry in self._waiting:
            entry.future.cancel()
        self._executor.shutdown(wait=True)

    async def _submit(self, texts: Sequence[str], *, query: bool) -> Vectors:
        if len(self._waiting) + len(texts) > max(self._max_queue, len(texts) if not self._waiting else 0):
            raise Overloaded(
                f"{len(self._waiting)} texts wait for the encoder, {len(texts)} more are over the limit of "
                f"{self._max_queue}. Try again in a moment."
            )
        loop = asyncio.get_running_loop()
        entries = [
            # Four characters a token is near enough for a budget, and costs nothing on the event loop.
            _Entry(
                text=text,
                n_tokens=min(len(text) // 4 + 2, self.encoder.max_tokens),
                query=query,
                future=loop.create_future(),
            )
            for text in texts
        ]
        self._waiting.extend(entries)
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        try:
            return np.stack([await entry.future for entry in entries])
        except asyncio.CancelledError:
            for entry in entries:
                entry.future.cancel()
            raise

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            encode = self.encoder.encode_queries if batch[0].query else self.encoder.encode_documents
            encoding = loop.run_in_executor(self._executor, encode, [entry.text for entry in batch])
            await asyncio.wait([encoding])
            # Whatever it was, it is its callers': a worker that ended with it would leave them waiting for ever.
            if error := encoding.exception():
                for entry in batch:
                    if not entry.future.done():
                        entry.future.set_exception(error)
                continue
            for entry, vector in zip(batch, encoding.result(), strict=True):
                if not entry.future.done():
                    entry.future.set_result(vector)

    def _next_batch(self) -> list[_Entry]:
        batch: list[_Entry] = []
        longest = 0
        while self._waiting:
            entry = self._waiting[0]
            if entry.future.done():  # its caller has gone
                self._waiting.popleft()
                continue
            longest = max(longest, entry.n_tokens)
            if batch and (longest * (len(batch) + 1) > self._batch_tokens or entry.query != batch[0].query):
                break
            batch.append(self._waiting.popleft())
        return batch
