"""The engines of one model as requests see them: what each holds, and which one a prompt goes to."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

import structlog

from rag.engine.attempt import attempt
from rag.engine.roster import Roster
from rag.engine.slot import Slot
from rag.engine.ticket import Ticket, make_ticket
from rag.errors import EngineError, EngineUnavailable
from rag.plan import Candidate, Owner, has_room, route
from rag.settings import EngineSettings
from rag.types import Delta, Prompt, Sampling

log = structlog.get_logger()

_WAITS = 1.5  # times what the requests before should take


class EnginePool(Roster):
    """Picks an engine for each prompt, and keeps account of what each holds and whether it works."""

    def __init__(self, slots: list[Slot], settings: EngineSettings | None = None) -> None:
        """Take the engines; `start` finds out about them. settings: how they are looked after."""
        super().__init__(slots, settings)
        self._counting = threading.Lock()

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
        tickets = [make_ticket(each, each.info, prompt, salt, key) for each in self.askable(but=but) if each.info]
        slots, candidates = [ticket.slot for ticket in tickets], [ticket.candidate() for ticket in tickets]
        return tickets[self.choose(tickets[0].key, slots, candidates)]

    async def _moved(self, ticket: Ticket) -> bool:
        """Whether there is another engine for a request that one has failed; the ticket is for that one then."""
        if ticket.is_fixed or not any(slot is not ticket.slot for slot in self.slots):
            return False
        with suppress(EngineUnavailable):
            await self.some_ready(ticket.wait_s, but=ticket.slot)
            ticket.move(self._best(ticket.prompt, ticket.salt, ticket.key, but=ticket.slot))
            return True
        return False
