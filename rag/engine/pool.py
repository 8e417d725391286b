"""The engines of a service: which are ready, what each holds, and which one a prompt goes to."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

import structlog
from tokenizers import Tokenizer

from rag.engine.attempt import attempt
from rag.engine.base import EngineInfo
from rag.engine.slot import Slot
from rag.engine.ticket import Ticket, make_ticket
from rag.engine.watch import Watch
from rag.errors import ConfigError, EngineError, EngineUnavailable
from rag.plan import Candidate, Owner, Pace, has_room, route
from rag.settings import EngineSettings
from rag.types import Delta, Prompt, Sampling

log = structlog.get_logger()

_WAITS = 1.5  # times what the requests before should take
_ALIKE = 1.5  # times as slow as another one, and it may be of the same kind


class EnginePool:
    """Picks an engine for each prompt, and keeps account of what each holds and whether it works."""

    def __init__(self, slots: list[Slot], settings: EngineSettings | None = None) -> None:
        """Take the engines; `start` finds out about them. settings: how they are looked after."""
        self.slots = slots
        self.warmer: Callable[[Slot], Awaitable[None]] | None = None  # computes what is shared on an engine
        self._changed = asyncio.Condition()
        self._watches = {slot: Watch(slot, settings or EngineSettings(), self) for slot in slots}
        self._info: EngineInfo | None = None  # of the engine that was there first
        self._counting = threading.Lock()

    async def start(self) -> EngineInfo:
        """Start the engines and get to know them: the facts of one that is ready. All must serve the same model.

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
        assert self._info  # noqa: S101 - one is ready
        return self._info

    def learn(self, tokenizer: Tokenizer, defaults: Sampling) -> None:
        """Tell every engine of the model that they serve: as of `Engine.learn`, before the first question."""
        for slot in self.slots:
            slot.engine.learn(tokenizer, defaults)

    def ready(self, *, but: Slot | None = None) -> list[Slot]:
        """The engines that can be asked, without `but`."""
        return [slot for slot in self.slots if slot.is_ready and slot is not but]

    @property
    def kv_tokens(self) -> int | None:
        """Tokens that the caches of all ready engines hold; None: one does not say, or none is ready."""
        infos = [slot.info for slot in self.ready() if slot.info]
        known = [info.kv_tokens for info in infos if info.kv_tokens]
        return sum(known) if known and len(known) == len(infos) else None

    async def some_ready(self, wait_s: float, *, but: Slot | None = None) -> None:
        """Return once an engine can be asked, one other than `but`.

        Raises:
            EngineUnavailable: none could within `wait_s`.
        """
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self.ready(but=but))
        except TimeoutError:
            why = " ".join(dict.fromkeys(slot.reason for slot in self.slots if slot.reason))
            raise EngineUnavailable(
                f"No engine got ready within {wait_s:g} s. {why or 'It may be starting:'} "
                "Try again, and see `rag status`."
            ) from None

    def choose(self, key: str, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> int:
        """The index of the one to take, as of `route`; it is counted. Any thread may call."""
        found = route(key, candidates)
        with self._counting:
            slots[found.index].n_routed[found.why] += 1
        return found.index

    @asynccontextmanager
    async def ticket(
        self,
        prompt: Prompt,
        salt: str,
        *,
        wait_s: float,
        key: str = "",
        slot: Slot | None = None,
        is_fixed: bool = False,
        owner: Owner | None = None,
    ) -> AsyncGenerator[Ticket, None]:
        """A prompt's way to the engine that was chosen for it, or to the best one now if that has got too busy.

        While another request computes most of what this one misses, it waits for that one's first token, at most
        as long as that should take. From here on, and not only once the engine is asked, others see what this one
        computes: of requests that come at once, each would else take itself for the first.

        key: of the prefix that the prompt shares. slot: the one that was chosen; is_fixed: no other one will do.
        owner: whose the prompt is, for the account of what fills the cache; None: it is not known.

        Raises:
            EngineUnavailable: no engine got ready within `wait_s`.
        """
        ticket = await self._placed(prompt, salt, key, slot, wait_s, is_fixed=is_fixed)
        flight = ticket.slot.flights.shared(ticket.missing)
        if flight:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAITS * ticket.slot.queue_ms / 1000):
                    await flight.landed.wait()
            ticket = await self._placed(prompt, salt, key, ticket.slot, wait_s, is_fixed=is_fixed)
        ticket.wait_s, ticket.owner = wait_s, owner or ticket.owner
        ticket.board()
        try:
            yield ticket
        finally:
            ticket.leave()

    async def stream(self, ticket: Ticket, sampling: Sampling, *, request_id: str) -> AsyncGenerator[Delta, None]:
        """The engine's answers, within the block of `ticket`.

        An engine that fails before it has said anything leaves the request to another one, once.

        Raises:
            EngineError, AskError: as of `Engine.stream`.
        """
        has_spoken = False
        while True:
            slot, watch = ticket.slot, self._watches[ticket.slot]
            try:
                async with aclosing(attempt(ticket, sampling, request_id)) as deltas:
                    async for delta in deltas:
                        has_spoken = True
                        yield delta
            except EngineError as error:
                watch.failed(error)
                if has_spoken or not await self._moved(ticket):
                    raise
                log.warning("request_moved", request_id=request_id, url=slot.engine.url, reason=str(error))
            else:
                watch.worked()
                return

    async def close(self) -> None:
        """Stop the local engines and let go of the others."""
        await asyncio.gather(*(watch.stop() for watch in self._watches.values()))
        for slot in self.slots:
            await slot.engine.close()

    def check_model(self, info: EngineInfo) -> None:
        """Nothing, if an engine serves the model that the first one did.

        Raises:
            ConfigError: it does not.
        """
        known = self._info = self._info or info
        if (info.model, info.source) != (known.model, known.source):
            raise ConfigError(
                f"The engines serve different models, {known.model!r} and {info.model!r}. Name engines of one."
            )

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
        if self.warmer and self.ready(but=slot):
            with suppress(EngineUnavailable):
                await self.warmer(slot)

    async def changed(self) -> None:
        """Let those look again who wait for an engine."""
        async with self._changed:
            self._changed.notify_all()

    async def _placed(
        self, prompt: Prompt, salt: str, key: str, slot: Slot | None, wait_s: float, *, is_fixed: bool
    ) -> Ticket:
        """A ticket that nobody has boarded yet."""
        if slot and slot.info and (is_fixed or (slot.is_ready and self._has_room(slot))):
            ticket = make_ticket(slot, slot.info, prompt, salt, key)
            ticket.is_fixed = is_fixed
            return ticket
        if is_fixed:
            raise EngineUnavailable("The engine went away before it was asked. Try again, and see `rag status`.")
        await self.some_ready(wait_s)
        return self._best(prompt, salt, key)

    def _has_room(self, slot: Slot) -> bool:
        """Whether a slot has no more than its share: others may have been sent there since it was chosen."""
        return has_room(slot.n_running, [each.n_running for each in self.ready()])

    def _best(self, prompt: Prompt, salt: str, key: str, but: Slot | None = None) -> Ticket:
        tickets = [make_ticket(each, each.info, prompt, salt, key) for each in self.ready(but=but) if each.info]
        slots, candidates = [ticket.slot for ticket in tickets], [ticket.candidate() for ticket in tickets]
        return tickets[self.choose(tickets[0].key, slots, candidates)]

    async def _moved(self, ticket: Ticket) -> bool:
        """Whether there is another engine for a request that one has failed; the ticket is for that one then."""
        if ticket.is_fixed or len(self.slots) == 1:
            return False
        with suppress(EngineUnavailable):
            await self.some_ready(ticket.wait_s, but=ticket.slot)
            ticket.move(self._best(ticket.prompt, ticket.salt, ticket.key, but=ticket.slot))
            return True
        return False


def _is_alike(one: Pace, other: Pace) -> bool:
    return max(one.new_ms, other.new_ms) <= _ALIKE * min(one.new_ms, other.new_ms)


def _said(first: asyncio.Future[None]) -> None:
    """Log why an engine is not there although the service runs."""
    if not first.cancelled() and (error := first.exception()):
        log.warning("engine_not_up", reason=str(error))
