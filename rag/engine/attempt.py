"""One request at one engine, and what it tells of that engine's cache."""

from collections.abc import AsyncGenerator

import structlog

from rag.engine.ticket import Ticket
from rag.errors import EngineUnavailable
from rag.plan import Held, block_chain
from rag.types import Delta, Sampling, Usage

log = structlog.get_logger()


async def attempt(ticket: Ticket, sampling: Sampling, request_id: str) -> AsyncGenerator[Delta, None]:
    """The answers of the ticket's engine. What it computes on the way is noted as held.

    Raises:
        EngineError, AskError: as of `Engine.stream`.
    """
    slot, prompt, flight = ticket.slot, ticket.prompt, ticket.flight
    held = slot.held  # a restart puts another in its place
    answers = [list(prompt.token_ids) for _ in range(sampling.n)]
    deltas = slot.engine.stream(
        prompt.token_ids,
        sampling,
        salt=ticket.salt,
        request_id=request_id,
        session=ticket.session,
        report=held.must_report(ticket.chain),
    )
    try:
        while (delta := await slot.pulse.next(deltas)) is not None:
            if not flight.landed.is_set():
                held.admit(ticket.chain, ticket.runs(len(ticket.chain)))
                slot.flights.land(flight)
            answers[delta.choice] += delta.token_ids
            if delta.usage:
                _compare(ticket, held, delta.usage)
            yield delta
        # The last token was sampled but never run through the model: its keys and values do not exist.
        for token_ids in answers:
            chain = block_chain(token_ids[:-1], ticket.info.block_size, ticket.salt)
            held.admit(chain, ticket.runs(len(chain)))
    except EngineUnavailable:
        # A local engine is watched by its process, one that publishes says itself when it began anew; of any
        # other this is the only sign.
        if slot.local is None and not held.is_live:
            held.clear()
        raise
    finally:
        await deltas.aclose()


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
