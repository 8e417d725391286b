"""The engines of a service: which are ready, what each holds, and which one a prompt goes to."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import partial

import structlog

from rag.engine.base import Engine, EngineInfo
from rag.engine.launch import LocalEngine
from rag.engine.probe import ADVICE, Reuse, probe_reuse
from rag.errors import ConfigError, EngineError, EngineUnavailable
from rag.plan import BlockName, Held, block_chain
from rag.types import Delta, Prompt, Sampling

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Slot:
    """One engine and what is known of it."""

    engine: Engine
    local: LocalEngine | None = None
    info: EngineInfo | None = None  # None: not ready
    reuse: Reuse = Reuse.UNREPORTED
    held: Held = field(default_factory=lambda: Held(None))
    n_running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A prompt on its way to one engine, and how much of it that engine should hold."""

    slot: Slot
    info: EngineInfo
    prompt: Prompt
    salt: str
    chain: tuple[BlockName, ...]
    predicted_cached_tokens: int


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

    async def ticket(self, prompt: Prompt, salt: str, *, wait_s: float) -> Ticket:
        """The best engine for a prompt: the one that holds most of it, then the least busy one.

        Raises:
            EngineUnavailable: no engine got ready within `wait_s`.
        """
        await self._some_ready(wait_s)
        tickets = [_ticket(slot, info, prompt, salt) for slot in self.slots if (info := slot.info)]
        return max(tickets, key=lambda ticket: (ticket.predicted_cached_tokens, -ticket.slot.n_running))

    async def stream(self, ticket: Ticket, sampling: Sampling, *, request_id: str) -> AsyncGenerator[Delta, None]:
        """The engine's answer. What the engine computes on the way is noted as held."""
        slot, prompt, block_size = ticket.slot, ticket.prompt, ticket.info.block_size
        token_ids = list(prompt.token_ids)
        slot.n_running += 1
        deltas = slot.engine.stream(prompt.token_ids, sampling, salt=ticket.salt, request_id=request_id)
        try:
            async for delta in deltas:
                if not token_ids[len(prompt.token_ids) :]:
                    slot.held.admit(ticket.chain)
                token_ids += delta.token_ids
                if delta.usage and ticket.predicted_cached_tokens and delta.usage.cached_tokens == 0:
                    slot.held.clear()  # it restarted, or its cache was cleared
                yield delta
            # The last token was sampled but never run through the model: its keys and values do not exist.
            slot.held.admit(block_chain(token_ids[:-1], block_size, ticket.salt))
        except EngineUnavailable:
            # A local engine is watched by its process; of a remote one this is the only sign.
            if slot.local is None:
                slot.held.clear()
            raise
        finally:
            slot.n_running -= 1
            await deltas.aclose()

    async def close(self) -> None:
        """Stop the local engines and let go of the others."""
        for slot in self.slots:
            await slot.engine.close()
            if slot.local:
                await slot.local.stop()

    async def _on_state(self, slot: Slot, is_up: bool) -> None:  # noqa: FBT001 - the only news there is
        if not is_up:
            slot.info = None
            return
        info = await slot.engine.info()
        slot.held = Held(info.kv_tokens // info.block_size if info.kv_tokens else None)
        try:
            slot.reuse = await probe_reuse(slot.engine, info)
        except EngineError as error:
            raise EngineUnavailable(f"The engine at {slot.engine.url} fails its first request: {error}") from None
        log.info(
            "engine_ready", url=slot.engine.url, model=info.model, reuse=slot.reuse.value, kv_tokens=info.kv_tokens
        )
        if slot.reuse is not Reuse.ON:
            log.warning("reuse_not_proven", url=slot.engine.url, advice=ADVICE[slot.reuse])
        async with self._changed:
            slot.info = info
            self._changed.notify_all()

    async def _some_ready(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: any(slot.info for slot in self.slots))
        except TimeoutError:
            raise EngineUnavailable(
                f"No engine got ready within {wait_s:g} s. It may be starting: try again, and see `rag status`."
            ) from None


def _ticket(slot: Slot, info: EngineInfo, prompt: Prompt, salt: str) -> Ticket:
    chain = block_chain(prompt.token_ids, info.block_size, salt)
    # The last token is always computed anew: its output is the first token of the answer.
    n_blocks = min(slot.held.match(chain), (len(prompt.token_ids) - 1) // info.block_size)
    return Ticket(
        slot=slot, info=info, prompt=prompt, salt=salt, chain=chain, predicted_cached_tokens=n_blocks * info.block_size
    )
