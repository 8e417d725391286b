"""Follows what a vLLM publishes of its prefix cache, and keeps a mirror of it true."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog
import zmq
import zmq.asyncio

from rag.engine.wire import Batch, is_end, read_batch
from rag.plan import Held

# vLLM answers between two steps, or within 0.1 s when it idles.
_REPLAY_WAIT_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAddresses:
    """Where an engine publishes (ZMQ)."""

    events: str
    replay: str | None = None  # where it repeats what it published; None: nowhere


class KvEvents:
    """The subscription to one engine's KV events.

    A gap in the sequence is closed by asking for a replay; where that fails, the mirror is told that it lost some.
    A message that is not newer than the last one but has a later time, or a replay that has another time for
    the last one, means that another engine has come in its place: the mirror starts anew. Nothing here
    raises: without an address that answers there are simply no events.

    Source: vLLM 0.32, distributed/kv_events.py.
    """

    def __init__(self, addresses: EventAddresses) -> None:
        """Nothing is connected before `start`."""
        self.n_gaps = 0  # times that a batch was missed
        self.n_replays = 0  # times that a replay was asked for
        self._addresses = addresses
        self._held = Held(None)
        self._last: Batch | None = None  # that was applied
        self._newest = 0.0  # time of the last one that could be read, on the engine's clock
        self._task: asyncio.Task[None] | None = None

    async def start(self, held: Held) -> None:
        """Keep `held` true from now on, and leave what was kept before."""
        await self.stop()
        self._held, self._last, self._newest = held, None, 0.0
        self._task = asyncio.create_task(self._run(), name="kv-events")

    async def stop(self) -> None:
        """End the subscription."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def _next(self) -> int:
        return self._last.seq + 1 if self._last else 0

    async def _run(self) -> None:
        context = zmq.asyncio.Context()
        try:
            subscription = context.socket(zmq.SUB)
            subscription.set_hwm(0)  # the engine drops what is not taken; here it waits while a replay is read
            subscription.subscribe(b"")
            subscription.connect(self._addresses.events)
            await self._replay(context)
            if self._last is None and not self._held.is_live:
                self._held.lose()  # nobody says what was before
            while True:
                await self._take(read_batch(await subscription.recv_multipart()), context)
        except zmq.ZMQError as error:
            if self._last:
                self._held.lose()
            log.warning("kv_events_unreadable", addresses=str(self._addresses), reason=str(error))
        finally:
            context.destroy(linger=0)

    async def _take(self, batch: Batch | None, context: zmq.asyncio.Context) -> None:
        if batch is None or (batch.ts is None and batch.seq != self._next):
            return  # what follows will show whether something is missing
        if self._last and batch.seq <= self._last.seq:
            if batch.ts is None or batch.ts <= self._newest:
                return  # a replay has brought it already
            self._last = None
        if batch.seq > self._next:
            self.n_gaps += 1
            self._held.unsettle()
            await self._close_gap(batch.seq, context)
        if batch.seq >= self._next:
            self._apply(batch)
            self._held.settle()

    async def _close_gap(self, seq: int, context: zmq.asyncio.Context) -> None:
        """Have all before `seq` applied, if the engine still has it."""
        while seq > (before := self._next):
            await self._replay(context)
            if self._next == before:
                return

    def _apply(self, batch: Batch) -> None:
        if batch.seq == 0:
            self._held.restart()
        elif batch.seq > self._next:
            self._lose("a batch is missing", expected=self._next, seq=batch.seq)
        if batch.ts is None:
            self._lose("a batch cannot be read", seq=batch.seq)
        self._held.apply(batch.news)
        self._last, self._newest = batch, batch.ts or self._newest

    def _lose(self, reason: str, **facts: int) -> None:
        self._held.lose()
        log.warning("kv_events_lost", reason=reason, address=self._addresses.events, **facts)

    async def _replay(self, context: zmq.asyncio.Context) -> None:
        """Apply what the engine repeats, from the last batch on that was applied."""
        if self._addresses.replay is None:
            return
        self.n_replays += 1
        socket = context.socket(zmq.DEALER)
        try:
            socket.set_hwm(0)
            socket.connect(self._addresses.replay)
            # The last known one again: its time proves that this is still the same engine.
            start = self._last.seq if self._last else 0
            await socket.send_multipart([b"", start.to_bytes(8, "big")])
            is_first = True
            while not is_end(frames := await _received(socket)):
                batch = read_batch(frames)
                if batch and not self._repeated(batch, is_first=is_first):
                    return
                is_first = False
                await asyncio.sleep(0)  # a long replay lets requests pass
            if is_first and self._last is None:
                self._held.restart()  # it has published nothing yet
            self._held.settle()
        except TimeoutError:
            log.warning("kv_replay_silent", address=self._addresses.replay, waited_s=_REPLAY_WAIT_S)
        finally:
            socket.close(linger=0)

    def _repeated(self, batch: Batch, *, is_first: bool) -> bool:
        """Apply one batch of a replay. False: the replay is of no use, another is needed."""
        if self._last and batch.seq == self._last.seq and batch.ts != self._last.ts:
            self._last = None
            return False
        if batch.seq > self._next and not is_first:
            return False  # the socket dropped some
        if batch.seq >= self._next:
            self._apply(batch)
        return True


async def _received(socket: zmq.asyncio.Socket) -> list[bytes]:
    async with asyncio.timeout(_REPLAY_WAIT_S):
        frames: list[bytes] = await socket.recv_multipart()
        return frames
