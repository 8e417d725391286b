"""The engines of a service: which are ready, what each holds, and which one a prompt goes to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from tokenizers import Tokenizer

from rag.engine.base import EngineInfo
from rag.engine.flight import Flight
from rag.engine.pace import measure_pace
from rag.engine.probe import ADVICE, Reuse, probe_reuse
from rag.engine.slot import Slot
from rag.errors import ConfigError, EngineError, EngineUnavailable
from rag.plan import BlockName, Held, block_chain
from rag.types import Delta, Prompt, Sampling, Usage

log = structlog.get_logger()

_WAITS = 1.5  # times what the requests before should take


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A prompt on its way to one engine, and how much of it that engine should hold."""

    slot: Slot
    info: EngineInfo
    prompt: Prompt
    salt: str
    chain: tuple[BlockName, ...]
    predicted_cached_tokens: int
    flight: Flight = field(default_factory=Flight)  # of nothing before it is on its way

    @property
    def missing(self) -> tuple[BlockName, ...]:
        """The blocks that the engine must compute."""
        return self.chain[self.predicted_cached_tokens // self.info.block_size :]

    @property
    def n_new_tokens(self) -> int:
        """The tokens of the prompt that the engine must compute."""
        return len(self.prompt.token_ids) - self.predicted_cached_tokens


class EnginePool:
    """Picks the engine that holds most of a prompt, and keeps account of what each holds."""

    def __init__(self, slots: list[Slot]) -> None:
        """Take the engines; `start` finds out about them."""
        self.slots = slots
        self._changed = asyncio.Condition()

    async def start(self) -> EngineInfo:
        """Start and probe every engine. The facts of the first one; all must serve the same model.

        Raises:
            EngineUnavailable: an engine does not get ready.
            ConfigError: two engines serve different models.
        """
        for slot in self.slots:
            if slot.local:
                await slot.local.start(partial(self._on_state, slot))
            else:
                await self._on_state(slot, True)
        first, *others = [slot.info for slot in self.slots if slot.info]
        for other in others:
            if (other.model, other.source) != (first.model, first.source):
                raise ConfigError(
                    f"The engines serve different models, {first.model!r} and {other.model!r}. Name engines of one."
                )
        return first

    def learn(self, tokenizer: Tokenizer, defaults: Sampling) -> None:
        """Tell every engine of the model that they serve: as of `Engine.learn`, before the first question."""
        for slot in self.slots:
            slot.engine.learn(tokenizer, defaults)

    def ready(self) -> list[Slot]:
        """The engines that can be asked."""
        return [slot for slot in self.slots if slot.info]

    @property
    def kv_tokens(self) -> int | None:
        """Tokens that the caches of all ready engines hold; None: one does not say, or none is ready."""
        infos = [slot.info for slot in self.slots if slot.info]
        known = [info.kv_tokens for info in infos if info.kv_tokens]
        return sum(known) if known and len(known) == len(infos) else None

    async def some_ready(self, wait_s: float) -> None:
        """Return once an engine can be asked.

        Raises:
            EngineUnavailable: none could within `wait_s`.
        """
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(self.ready)
        except TimeoutError:
            raise EngineUnavailable(
                f"No engine got ready within {wait_s:g} s. It may be starting: try again, and see `rag status`."
            ) from None

    @asynccontextmanager
    async def ticket(
        self, prompt: Prompt, salt: str, *, wait_s: float, slot: Slot | None = None
    ) -> AsyncGenerator[Ticket, None]:
        """A prompt's way to `slot`, or to the best engine: the one that holds most of it, then the least busy one.

        While another request computes most of what this one misses, it waits for that one's first token, at most
        as long as that should take. From here on, and not only once the engine is asked, others see what this one
        computes: of requests that come at once, each would else take itself for the first.

        Raises:
            EngineUnavailable: no engine got ready within `wait_s`.
        """
        await self.some_ready(wait_s)
        ticket = self._best(prompt, salt, slot)
        flight = ticket.slot.flights.shared(ticket.missing)
        if flight:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAITS * ticket.slot.queue_ms / 1000):
                    await flight.landed.wait()
            await self.some_ready(wait_s)
            ticket = self._best(prompt, salt, ticket.slot)
        taken = ticket.slot
        flight = taken.flights.start(ticket.missing, ticket.n_new_tokens)
        taken.n_running += 1
        try:
            yield replace(ticket, flight=flight)
        finally:
            taken.n_running -= 1
            taken.flights.land(flight)

    async def stream(self, ticket: Ticket, sampling: Sampling, *, request_id: str) -> AsyncGenerator[Delta, None]:
        """The engine's answers, within the block of `ticket`. What it computes on the way is noted as held."""
        slot, prompt, flight = ticket.slot, ticket.prompt, ticket.flight
        held = slot.held  # a restart puts another in its place
        answers = [list(prompt.token_ids) for _ in range(sampling.n)]
        deltas = slot.engine.stream(
            prompt.token_ids, sampling, salt=ticket.salt, request_id=request_id, report=held.must_report(ticket.chain)
        )
        try:
            async for delta in deltas:
                if not flight.landed.is_set():
                    held.admit(ticket.chain)
                    slot.flights.land(flight)
                answers[delta.choice] += delta.token_ids
                if delta.usage:
                    _compare(ticket, held, delta.usage)
                yield delta
            # The last token was sampled but never run through the model: its keys and values do not exist.
            for token_ids in answers:
                held.admit(block_chain(token_ids[:-1], ticket.info.block_size, ticket.salt))
        except EngineUnavailable:
            # A local engine is watched by its process, one that publishes says itself when it began anew; of any
            # other this is the only sign.
            if slot.local is None and not held.is_live:
                held.clear()
            raise
        finally:
            await deltas.aclose()

    async def close(self) -> None:
        """Stop the local engines and let go of the others."""
        for slot in self.slots:
            if slot.events:
                await slot.events.stop()
            await slot.engine.close()
            if slot.local:
                await slot.local.stop()

    async def _on_state(self, slot: Slot, is_up: bool) -> None:  # noqa: FBT001 - the only news there is
        if not is_up:
            slot.info, slot.held = None, Held(None)
            if slot.events:
                await slot.events.stop()
            return
        info = await slot.engine.info()
        slot.held = Held(info.kv_tokens // info.block_size if info.kv_tokens else None)
        if slot.events:
            await slot.events.start(slot.held)
        try:
            slot.reuse = await probe_reuse(slot.engine, info)
            if slot.reuse is Reuse.ON:
                slot.pace = await measure_pace(slot.engine, info)
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
        async with self._changed:
            slot.info = info
            self._changed.notify_all()

    def _best(self, prompt: Prompt, salt: str, slot: Slot | None) -> Ticket:
        slots = [slot] if slot and slot.info else self.ready()
        tickets = [_ticket(each, each.info, prompt, salt) for each in slots if each.info]
        return max(tickets, key=lambda ticket: (ticket.predicted_cached_tokens, -ticket.slot.n_running))


def _ticket(slot: Slot, info: EngineInfo, prompt: Prompt, salt: str) -> Ticket:
    chain = block_chain(prompt.token_ids, info.block_size, salt)
    # The last token is always computed anew: its output is the first token of the answer.
    n_blocks = min(slot.held.match(chain), (len(prompt.token_ids) - 1) // info.block_size)
    return Ticket(
        slot=slot, info=info, prompt=prompt, salt=salt, chain=chain, predicted_cached_tokens=n_blocks * info.block_size
    )


def _compare(ticket: Ticket, held: Held, usage: Usage) -> None:
    """Hold what was predicted against what the engine reports of a request."""
    if usage.cached_tokens is None:
        return
    block_size, predicted_tokens = ticket.info.block_size, ticket.predicted_cached_tokens
    held.observe(ticket.chain, usage.cached_tokens // block_size, n_predicted_blocks=predicted_tokens // block_size)
    accuracy = ticket.slot.accuracy
    if accuracy.add(
        prompt_tokens=usage.prompt_tokens, predicted_tokens=predicted_tokens, cached_tokens=usage.cached_tokens
    ):
        log.warning(
            "prediction_off",
            url=ticket.slot.engine.url,
            error=round(accuracy.error or 0.0, 3),
            mirror=held.state.value,
            n_blocks=len(held),
            n_gaps=ticket.slot.events.n_gaps if ticket.slot.events else 0,
        )
