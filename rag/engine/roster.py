"""The engines of one model: who they are, which of them are ready, and how they come and go."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from tokenizers import Tokenizer

from rag.engine.base import EngineInfo
from rag.engine.slot import Slot, State
from rag.engine.watch import Watch
from rag.errors import ConfigError, EngineUnavailable
from rag.plan import Pace
from rag.settings import EngineSettings
from rag.types import Sampling

log = structlog.get_logger()

_ALIKE = 1.5  # times as slow as another one, and it may be of the same kind
_LOOK_S = 0.05  # between two looks at what a drained engine still has


class Roster:
    """Looks after the engines of one model. Used on one event loop."""

    def __init__(self, slots: list[Slot], settings: EngineSettings | None = None) -> None:
        """Take the engines; `start` finds out about them. settings: how they are looked after."""
        self.slots = slots
        self.warmer: Callable[[Slot], Awaitable[None]] | None = None  # computes what is shared on an engine
        self.newcomer: Callable[[EngineInfo], Awaitable[Roster]] | None = None  # finds a pool for another model
        self.is_awaited = True  # whoever asks has no other pool: its first engine is not kept waiting
        self.n_asking = 0  # requests that were promised an answer by this pool, wherever on their way they are
        self.info: EngineInfo | None = None  # of the engine that was there first
        self._settings = settings or EngineSettings()
        self._changed = asyncio.Condition()
        self._watches = {slot: Watch(slot, self._settings, self) for slot in slots}
        self._learnt: tuple[Tokenizer, Sampling] | None = None

    async def start(self) -> EngineInfo:
        """Start the engines and get to know them: the facts of one that is ready.

        All must serve the same model, unless `newcomer` finds a place for those that do not.

        Returns when one is ready and the others, if they run somewhere else, have been asked. The rest goes on.

        Raises:
            EngineUnavailable: none gets ready.
            ConfigError: two engines serve different models.
        """
        firsts = {slot: watch.start() for slot, watch in self._watches.items()}
        waiting = set(firsts.values())
        while waiting and not (self.ready() and all(firsts[slot].done() for slot in self.slots if not slot.local)):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for first in firsts.values() if first.done() and (error := first.exception())]
        for error in errors:
            if isinstance(error, ConfigError) or not self.ready():
                raise error
        for first in firsts.values():
            first.add_done_callback(_said)
        assert self.info  # noqa: S101 - one is ready
        return self.info

    def learn(self, tokenizer: Tokenizer, defaults: Sampling) -> None:
        """Tell every engine of the model that they serve: as of `Engine.learn`, before the first question."""
        self._learnt = tokenizer, defaults
        for slot in self.slots:
            slot.engine.learn(tokenizer, defaults)

    def ready(self, *, but: Slot | None = None) -> list[Slot]:
        """The engines that can be asked, without `but`."""
        return [slot for slot in self.slots if slot.is_ready and slot is not but]

    def askable(self, *, but: Slot | None = None) -> list[Slot]:
        """Those to which a request may go that has come so far: without a ready one, those that finish what they have.

        A request that began before the last engine of a model was drained is one of those under way.
        """
        return self.ready(but=but) or [slot for slot in self.slots if slot.is_finishing and slot is not but]

    @property
    def is_leaving(self) -> bool:
        """Whether no engine is to get new requests: an operator has drained them all, or taken the last one away."""
        return all(slot.is_leaving for slot in self.slots)

    def add(self, slot: Slot) -> asyncio.Future[None]:
        """Take one more engine: done when it is ready, or with the error that it had at the first try."""
        self.take(slot, Watch(slot, self._settings, self))
        return self._watches[slot].start()

    def take(self, slot: Slot, watch: Watch) -> None:
        """Have an engine from now on, and whoever watches it."""
        slot.has_served = False
        if self._learnt:
            slot.engine.learn(*self._learnt)
        self.slots.append(slot)
        self._watches[slot] = watch

    async def drain(self, slot: Slot, *, wait_s: float) -> bool:
        """Send an engine nothing new, and wait until it has ended what it has: whether it has within `wait_s`."""
        slot.is_leaving = True
        if slot.is_ready:
            slot.state = State.DRAINING
            await self.changed()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while slot.is_leaving and (slot.n_running or self._is_promised(slot)):  # noqa: ASYNC110 - as below
                    await asyncio.sleep(_LOOK_S)
        has_ended = slot.is_leaving and not slot.n_running
        if has_ended and slot.state is State.DRAINING:
            slot.state = State.DRAINED
        return has_ended

    def _is_promised(self, slot: Slot) -> bool:
        """Whether requests are on their way that have no other engine to go to."""
        return slot.is_finishing and self.is_leaving and self.n_asking > 0

    async def undrain(self, slot: Slot) -> None:
        """Send an engine requests again that was drained, as soon as it is well."""
        slot.is_leaving = False
        if slot.state in {State.DRAINING, State.DRAINED}:
            slot.state = State.READY
            await self.changed()

    async def remove(self, slot: Slot) -> None:
        """Forget an engine: one of ours ends, any other goes on. What it was at ends with an error, or elsewhere."""
        slot.is_leaving, slot.state, slot.reason = True, State.DOWN, "It was removed."
        self.slots.remove(slot)
        slot.pulse.break_off(f"The engine at {slot.engine.url} was removed.")
        await self._watches[slot].stop()
        while slot.n_running:  # noqa: ASYNC110 - those that were broken off leave by themselves, which has no event
            await asyncio.sleep(_LOOK_S)
        await slot.engine.close()
        del self._watches[slot]
        await self.changed()

    @property
    def kv_tokens(self) -> int | None:
        """Tokens that the caches of all ready engines hold; None: one does not say, or none is ready."""
        infos = [slot.info for slot in self.ready() if slot.info]
        known = [info.kv_tokens for info in infos if info.kv_tokens]
        return sum(known) if known and len(known) == len(infos) else None

    async def some_ready(self, wait_s: float, *, but: Slot | None = None) -> None:
        """Return once an engine can be asked, one other than `but`. As of `askable`.

        Raises:
            EngineUnavailable: none could within `wait_s`.
        """
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self.askable(but=but))
        except TimeoutError:
            why = " ".join(dict.fromkeys(slot.reason for slot in self.slots if slot.reason))
            raise EngineUnavailable(
                f"No engine got ready within {wait_s:g} s. {why or 'It may be starting:'} "
                "Try again, and see `rag status`."
            ) from None

    async def close(self) -> None:
        """Stop the local engines and let go of the others."""
        await asyncio.gather(*(watch.stop() for watch in self._watches.values()))
        for slot in self.slots:
            await slot.engine.close()

    async def admit(self, slot: Slot, info: EngineInfo) -> "Roster":
        """The pool that an engine is in from now on: this one if it serves the model that the first one did.

        Raises:
            ConfigError: it does not, and no other pool takes it; or it can do less than the others.
        """
        known = self.info = self.info or info
        if (info.model, info.source) == (known.model, known.source):
            if info.window_tokens < known.window_tokens:
                raise ConfigError(
                    f"The engine at {slot.engine.url} has a window of {info.window_tokens} tokens, others of "
                    f"{info.model!r} have {known.window_tokens}. Start it with --max-model-len {known.window_tokens}."
                )
            return self
        if self.newcomer is None:
            raise ConfigError(
                f"The engines serve different models, {known.model!r} and {info.model!r}. Name engines of one."
            )
        other = await self.newcomer(info)
        self.slots.remove(slot)
        other.take(slot, self._watches.pop(slot))
        return other

    def measured(self, slot: Slot) -> None:
        """Give engines that are about as fast as this one the pace of the fastest of them.

        Of equal ones some were busy with something else while they were measured. New prefixes would all go to the
        one that was not.
        """
        alike = [slot, *(each for each in self.ready(but=slot) if _is_alike(each.pace, slot.pace))]
        fastest = min((each.pace for each in alike), key=lambda pace: pace.new_ms)
        for each in alike:
            each.pace = fastest

    async def warm(self, slot: Slot) -> None:
        """Compute what is shared on an engine before it gets requests, if others answer them meanwhile."""
        if self.warmer and (self.ready(but=slot) or not self.is_awaited):
            with suppress(EngineUnavailable):
                await self.warmer(slot)

    async def changed(self) -> None:
        """Let those look again who wait for an engine."""
        async with self._changed:
            self._changed.notify_all()


def _is_alike(one: Pace, other: Pace) -> bool:
    return max(one.new_ms, other.new_ms) <= _ALIKE * min(one.new_ms, other.new_ms)


def _said(first: asyncio.Future[None]) -> None:
    """Log why an engine is not there although the service runs."""
    if not first.cancelled() and (error := first.exception()):
        log.warning("engine_not_up", reason=str(error))
