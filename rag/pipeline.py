"""The path of a request. README.md, "The life of a request", tells the same story in words."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace

from rag.ask import Ask, Event, Report
from rag.cite import CitationStream, PlainStream
from rag.clock import Clock
from rag.compose import Composed, answer_tokens, compose, compose_plain, dialogue_of, recalled
from rag.engine import Ticket
from rag.errors import EngineError, EngineTimeout
from rag.ledger import account, count
from rag.rooms import Rooms, cache_salt
from rag.store import Generation
from rag.types import Delta, Hit


async def answer(ask: Ask, rooms: Rooms) -> AsyncGenerator[Event, None]:
    """Events of one answer: text and citations as they come, then one `Report`.

    Raises:
        RagError: before the first event where the caller or the service is at fault; later only for the engine.
    """
    clock = Clock(rooms.settings.server.request_timeout_s)
    async with rooms.gate.place(wait_s=clock.left_s()):
        clock.lap("queue")
        with _pinned(ask, rooms) as generation:  # one index for the whole request
            salt = cache_salt(ask.group, generation, rooms)
            composed, hits = await _prompt(ask, generation, salt, rooms, clock)
            rooms.groups.note(ask.group)
            ticket = await rooms.pool.ticket(composed.prompt, salt, wait_s=clock.wait_s(), slot=composed.slot)
            cited = CitationStream(composed.prompt.shown) if generation else PlainStream()
            last = Delta()
            async with aclosing(_deltas(ask, ticket, rooms, clock)) as deltas:
                async for delta in deltas:
                    last = replace(delta, finish_reason=delta.finish_reason or last.finish_reason)
                    for event in cited.feed(delta.text):
                        yield event
            for event in cited.finish():
                yield event
            report = _report(generation, hits, composed, ticket, cited, last, clock)
            count(report, rooms.metrics, rooms.tally)
            yield report


@contextmanager
def _pinned(ask: Ask, rooms: Rooms) -> Iterator[Generation | None]:
    if ask.collection is None:
        yield None
        return
    with rooms.store.pin(ask.collection) as generation:
        yield generation


async def _prompt(
    ask: Ask, generation: Generation | None, salt: str, rooms: Rooms, clock: Clock
) -> tuple[Composed, tuple[Hit, ...]]:
    loop = asyncio.get_running_loop()
    if generation is None:
        prompt = await loop.run_in_executor(rooms.executor, compose_plain, ask, rooms)
        clock.lap("compose")
        return Composed(prompt=prompt), ()
    dialogue = dialogue_of(ask)
    allowed = await loop.run_in_executor(rooms.executor, _allowed, ask, generation, rooms)
    before = await loop.run_in_executor(rooms.executor, recalled, ask, dialogue, allowed, generation, rooms)
    hits = await rooms.retriever.search(
        [turn.question for turn in dialogue.turns],
        generation,
        top_k=ask.top_k or rooms.settings.retrieve.top_k,
        first=len(before.turns),
        allowed=allowed,
    )
    clock.lap("retrieve")
    await rooms.pool.some_ready(clock.wait_s())
    composed = await loop.run_in_executor(
        rooms.executor, compose, ask, dialogue, before, hits, allowed, salt, generation, rooms
    )
    clock.lap("compose")
    return composed, hits[-1]


def _allowed(ask: Ask, generation: Generation, rooms: Rooms) -> frozenset[int] | None:
    """The chunks that the prompt may show; None: all. Blocks."""
    if ask.filter is None:
        return None
    return rooms.library.allowed(ask.filter, generation)


async def _deltas(ask: Ask, ticket: Ticket, rooms: Rooms, clock: Clock) -> AsyncGenerator[Delta, None]:
    """The engine's answer, within the request's deadline."""
    sampling = replace(ask.sampling, max_tokens=answer_tokens(ask, rooms))
    async with aclosing(rooms.pool.stream(ticket, sampling, request_id=ask.request_id)) as stream:
        while True:
            try:
                async with asyncio.timeout(clock.left_s()):
                    delta = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise EngineTimeout(
                    f"The answer was not complete after {clock.timeout_s:g} s (server.request_timeout_s). "
                    "Ask for fewer max_tokens, or raise the limit."
                ) from None
            if delta.text or delta.finish_reason:
                clock.mark("first_token")
            yield delta


def _report(
    generation: Generation | None,
    hits: tuple[Hit, ...],
    composed: Composed,
    ticket: Ticket,
    cited: CitationStream | PlainStream,
    last: Delta,
    clock: Clock,
) -> Report:
    if last.usage is None:
        raise EngineError("The engine ended without saying what it used. Is it a vLLM server? See its log.")
    clock.mark("first_token")
    clock.mark("total")
    return Report(
        finish_reason=last.finish_reason or "stop",
        usage=last.usage,
        text=cited.text,
        collection=generation.info.name if generation else None,
        generation=generation.number if generation else None,
        prompt=ticket.prompt,
        citations=cited.citations,
        hits=hits,
        n_markers_removed=cited.n_removed,
        reuse=account(ticket, composed, last.usage),
        timings_ms=dict(clock.timings_ms),
    )
