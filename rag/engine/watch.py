"""Brings one engine up, looks after it, takes it out when it fails, and brings it back."""

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from rag.engine.base import EngineInfo
from rag.engine.pace import measure_pace
from rag.engine.probe import ADVICE, Reuse, probe_reuse
from rag.engine.slot import Slot, State
from rag.errors import EngineBusy, EngineError, EngineUnavailable, RagError
from rag.plan import Held
from rag.settings import EngineSettings

_FAULTS = 3  # failed requests in a row
_UP_S = 120.0  # for the first requests to an engine; they take four seconds on an idle small CPU
_WARM_S = 60.0
_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 60.0
_STEADY_S = 60.0  # up for so long, and the next failure is the first one again

log = structlog.get_logger()


class Watched(Protocol):
    """What a watch tells whoever uses the slot."""

    async def admit(self, slot: Slot, info: EngineInfo) -> "Watched":
        """Who uses an engine that serves this model from now on; a ConfigError if nobody can."""

    def measured(self, slot: Slot) -> None:
        """The pace of an engine was measured."""

    async def warm(self, slot: Slot) -> None:
        """Compute what is shared on an engine that can be asked, and is not yet."""

    async def changed(self) -> None:
        """An engine got ready, or no longer is."""


class Watch:
    """Keeps the state of one slot true, for as long as it runs.

    It asks `/health` every `engine.probe_s` seconds, counts failed requests, and notices when nobody gets a token any
    more. Whatever it is, the engine gets no new requests from then on and has to prove itself by computing a token. If
    it does not, all that wait for it are told, a local one is started anew, and it is tried again after one second,
    two, four, at most sixty.
    """

    def __init__(self, slot: Slot, settings: EngineSettings, pool: "Watched") -> None:
        """Nothing is asked yet. pool: whoever uses the slot."""
        self._slot = slot
        self._settings = settings
        self._pool = pool
        self._up_s = _UP_S
        self._n_faults = 0
        self._alarm = asyncio.Event()
        self._alarm_reason = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Future[None]:
        """Begin. Done when the engine was ready once; it has the error if it was not at the first try."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(first), name="engine-watch")
        return first

    async def stop(self) -> None:
        """End, with the engine's process if it is ours."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._slot.events:
            await self._slot.events.stop()
        if self._slot.local:
            await self._slot.local.stop()

    def worked(self) -> None:
        """A request was answered."""
        self._n_faults = 0

    def failed(self, error: EngineError) -> None:
        """A request failed with this error. The slot may be out at once."""
        if isinstance(error, EngineBusy) or not (self._slot.is_ready or self._slot.is_finishing):
            return
        self._n_faults += 1
        if isinstance(error, EngineUnavailable) or self._n_faults >= _FAULTS:
            self._suspect(str(error))

    def _suspect(self, reason: str) -> None:
        self._slot.state, self._slot.reason = State.DOWN, reason
        self._alarm_reason = reason
        self._alarm.set()

    async def _keep(self, first: asyncio.Future[None]) -> None:
        slot, loop, back_off_s = self._slot, asyncio.get_running_loop(), _BACK_OFF_S
        while True:
            started_s = loop.time()
            try:
                await self._bring_up()
            except RagError as error:
                slot.reason = str(error)
                if first.done():
                    log.warning("engine_not_up", url=slot.engine.url, reason=slot.reason, retry_in_s=back_off_s)
                else:
                    first.set_exception(error)
            else:
                if not first.done():
                    first.set_result(None)
                reason = await self._until_trouble()
                log.warning("engine_out", url=slot.engine.url, reason=reason, retry_in_s=back_off_s)
                slot.reason = reason
            await self._take_out()
            if loop.time() - started_s > _STEADY_S:
                back_off_s = _BACK_OFF_S
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _LONGEST_BACK_OFF_S)

    async def _bring_up(self) -> None:
        """Make the engine ready.

        Raises:
            EngineError: it is not there, or does not answer as it should.
        """
        slot = self._slot
        if slot.local:
            slot.state = State.STARTING
            await slot.local.start()
        started_s, limit_s = asyncio.get_running_loop().time(), self._up_s
        try:
            async with asyncio.timeout(limit_s):
                await self._get_to_know()
        except TimeoutError:
            raise EngineUnavailable(
                f"The engine at {slot.engine.url} did not answer its first requests within {limit_s:.0f} s. "
                "See its log."
            ) from None
        took_s = asyncio.get_running_loop().time() - started_s
        self._up_s = self._settings.probe_timeout_s + 3 * took_s
        slot.state = State.STARTING
        with suppress(TimeoutError):
            async with asyncio.timeout(_WARM_S):
                await self._pool.warm(slot)
        await self._put_in()

    async def _get_to_know(self) -> None:
        slot = self._slot
        info = await slot.engine.info()
        self._pool = await self._pool.admit(slot, info)
        slot.held = Held(info.kv_tokens // info.block_size if info.kv_tokens else None)
        if slot.events:
            await slot.events.start(slot.held)
        try:
            slot.reuse = await probe_reuse(slot.engine, info)
            if slot.reuse is Reuse.ON:
                slot.pace = await measure_pace(slot.engine, info)
                self._pool.measured(slot)
        except EngineError as error:
            raise EngineUnavailable(f"The engine at {slot.engine.url} fails its first request: {error}") from None
        log.info(
            "engine_ready",
            url=slot.engine.url,
            model=info.model,
            reuse=slot.reuse.value,
            kv_tokens=info.kv_tokens,
            new_token_ms=round(slot.pace.new_ms, 4),
            cached_token_ms=round(slot.pace.cached_ms, 5),
        )
        if slot.reuse is not Reuse.ON:
            log.warning("reuse_not_proven", url=slot.engine.url, advice=ADVICE[slot.reuse])
        slot.info = info

    async def _until_trouble(self) -> str:
        """Why the engine cannot stay, once it cannot."""
        slot = self._slot
        while True:
            reason = await self._trouble()
            slot.state, slot.reason = State.DOWN, reason
            ended = slot.local is not None and slot.local.pid is None
            if ended or not await self._computes():
                return reason
            log.info("engine_suspected", url=slot.engine.url, reason=reason)
            await self._put_in()

    async def _trouble(self) -> str:
        """The first sign that something is wrong: why. Returns only then."""
        slot, settings = self._slot, self._settings
        exit_ = asyncio.create_task(slot.local.exited()) if slot.local else None
        alarm = asyncio.create_task(self._alarm.wait())
        try:
            while True:
                waits = [alarm, exit_] if exit_ else [alarm]
                await asyncio.wait(waits, timeout=settings.probe_s, return_when=asyncio.FIRST_COMPLETED)
                if exit_ and exit_.done():
                    return f"Its process ended with status {exit_.result()}. See its log."
                if alarm.done():
                    return self._alarm_reason
                limit_s = settings.silence_s + 3 * slot.queue_ms / 1000
                if slot.pulse.silent_s > limit_s:
                    return f"It gave nobody a token for {limit_s:.0f} s (engine.silence_s)."
                with suppress(EngineUnavailable):
                    await self._checked()
                    continue
                with suppress(EngineUnavailable):  # once may be chance
                    await self._checked()
                    continue
                return "It does not answer /health."
        finally:
            for task in (alarm, exit_):
                if task:
                    task.cancel()

    async def _checked(self) -> None:
        try:
            async with asyncio.timeout(self._settings.probe_timeout_s):
                await self._slot.engine.check()
        except TimeoutError:
            raise EngineUnavailable(f"The engine at {self._slot.engine.url} does not answer /health.") from None

    async def _computes(self) -> bool:
        """Whether the engine is well, and computes a token in due time."""
        slot = self._slot
        if slot.info is None:
            return False
        try:
            await self._checked()
            async with asyncio.timeout(self._settings.probe_timeout_s + 3 * slot.queue_ms / 1000):
                await probe_reuse(slot.engine, slot.info)
        except (TimeoutError, EngineBusy):
            # One that is full does its work, if somebody gets tokens meanwhile.
            return slot.pulse.silent_s < self._settings.probe_timeout_s and slot.n_running > 0
        except RagError:
            return False
        return True

    async def _put_in(self) -> None:
        self._n_faults = 0
        self._alarm.clear()
        self._slot.pulse.settle()
        slot = self._slot
        slot.state, slot.reason = State.DRAINED if slot.is_leaving else State.READY, ""
        slot.has_served = True
        await self._pool.changed()

    async def _take_out(self) -> None:
        slot = self._slot
        slot.state, slot.info, slot.held = State.DOWN, None, Held(None)
        slot.pulse.break_off(f"The engine at {slot.engine.url} was taken out: {slot.reason}")
        await self._pool.changed()
        if slot.events:
            await slot.events.stop()
        if slot.local:
            await slot.local.stop()
