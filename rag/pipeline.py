"""The path of a request. README.md, "The life of a request", tells the same story in words."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

from rag.abstain import marked, refused
from rag.answering import Answering
from rag.ask import Ask, Choice, Event, Found, Report
from rag.choices import ChoiceReader
from rag.clock import Clock
from rag.compose import (
    Composed,
    answer_tokens,
    asks_documents_alone,
    compose,
    compose_plain,
    dialogue_of,
    recalled,
    with_offer,
)
from rag.engine import Ticket
from rag.errors import ContextTooLong, EngineError, EngineTimeout
from rag.ledger import account, count
from rag.needs import claim_of, need_of
from rag.plan import n_earlier_turns, without_oldest
from rag.quotes import QuoteReader, QuoteStream
from rag.rooms import Rooms, cache_owner, cache_salt
from rag.sampling import sampling_of
from rag.store import Generation
from rag.types import ChunkId, Delta, Hit, Prompt, Sampling, SourceFile, Usage


async def answer(ask: Ask, rooms: Rooms) -> AsyncGenerator[Event, None]:
    """Events of an answer: what was found, once the engine speaks, pieces of the choices as they come, one `Report`.

    Raises:
        RagError: before the first event where the caller or the service is at fault; later only for the engine.
    """
    clock = Clock(rooms.settings.server.request_timeout_s)
    sampling = sampling_of(ask, rooms)
    async with (
        rooms.gate.place(claim_of(ask, rooms), wait_s=clock.left_s()) as place,
        rooms.aliases.trial(ask.alias, rooms.model.name, documents=ask.collection is not None) as trial,
    ):
        clock.lap("queue")
        with _pinned(ask, rooms) as generation:  # one index for the whole request
            salt = cache_salt(ask.group, generation, rooms)
            composed, found = await _fitting_prompt(ask, generation, salt, rooms, clock)
            if generation and found and composed.is_refused:
                for event in _refused(ask, generation, found, composed, sampling.n, clock, rooms):
                    yield event
                return
            if composed.offer:
                sampling = replace(sampling, grammar=composed.offer.grammar)
            await ask.meter.reserve(len(composed.prompt.token_ids) + sampling.n * answer_tokens(ask, rooms))
            if generation:
                rooms.groups.note(ask.group, generation.info.id)
            await rooms.gate.make_room(place, need_of(ask, composed.prompt, rooms), wait_s=clock.left_s())
            readers = _readers(ask, composed, rooms)
            judge = rooms.abstention.spare(rooms.checking.judge(composed.prompt.shown, generation).citations)
            answering = Answering(readers, judge, rooms.judges)
            async with (
                rooms.model.pool.ticket(
                    composed.prompt,
                    salt,
                    wait_s=clock.wait_s(),
                    key=composed.key,
                    slot=composed.slot,
                    owner=cache_owner(ask.group, generation, rooms),
                ) as ticket,
                aclosing(_deltas(ask, sampling, ticket, rooms, clock)) as deltas,
                aclosing(answering.events(deltas, found)) as events,
            ):
                async for event in events:
                    yield event
            for reader in readers:
                if doubts := reader.doubts():
                    yield reader.append(await rooms.blocking(rooms.notes.note, reader.text, doubts))
            clock.add("cite", sum(answering.judged_s))
            choices = [marked(reader.choice(), rooms.abstention.admits) for reader in readers]
            report = _report(generation, found, composed, ticket, choices, answering.usage, clock)
            _count(report, answering.judged_s, ask, rooms)
            if generation:
                rooms.tally.add(generation.info.id, ask.group, report.reuse)
            trial.answered(first_s := clock.between_s("queue", "first_token"))
            place.answered(first_s, report.usage.completion_tokens // sampling.n)
            yield report


@contextmanager
def _pinned(ask: Ask, rooms: Rooms) -> Iterator[Generation | None]:
    if ask.collection is None:
        yield None
        return
    with rooms.store.pin(ask.collection) as generation:
        yield generation


async def _fitting_prompt(
    ask: Ask, generation: Generation | None, salt: str, rooms: Rooms, clock: Clock
) -> tuple[Composed, Found | None]:
    """The prompt of an ask, without its oldest turns where they may go and have to.

    Twice as many go each time, so that the next requests of the conversation are cut at the same place, and their
    prompts extend each other.

    Raises:
        ContextTooLong: it does not fit all the same.
    """
    n_dropped = 0
    while True:
        messages = without_oldest(ask.messages, n_dropped)
        try:
            composed, found = await _prompt(replace(ask, messages=messages), generation, salt, rooms, clock)
        except ContextTooLong:
            n_before, n_dropped = n_dropped, min(max(2 * n_dropped, 1), n_earlier_turns(ask.messages))
            if not ask.is_cut or n_dropped == n_before:
                raise
        else:
            return replace(composed, n_turns_dropped=n_dropped), found


async def _prompt(
    ask: Ask, generation: Generation | None, salt: str, rooms: Rooms, clock: Clock
) -> tuple[Composed, Found | None]:
    if generation is None:
        prompt = await rooms.blocking(compose_plain, ask, rooms)
        clock.lap("compose")
        return Composed(prompt=prompt), None
    dialogue = dialogue_of(ask, rooms)
    allowed = await rooms.blocking(_allowed, ask, generation, rooms)
    before = await rooms.blocking(recalled, ask, dialogue, allowed, generation, rooms)
    hits = await rooms.retriever.search(
        dialogue.queries,
        generation,
        top_k=ask.top_k or rooms.settings.retrieve.top_k,
        first=len(before.turns),
        allowed=allowed,
    )
    if ask.min_score is not None:
        hits = [tuple(hit for hit in found if hit.score >= ask.min_score) for found in hits]
    clock.lap("retrieve")
    question = dialogue.queries[-1]
    if asks_documents_alone(ask, dialogue) and (
        nothing := await rooms.blocking(rooms.abstention.refusal, question, hits[-1])
    ):
        composed = Composed(
            prompt=Prompt(token_ids=(), segments=(), shown=(), layout=rooms.model.renderer.parts.layout),
            nothing=nothing,
        )
        return composed, await _found(ask, question, hits[-1], composed, generation, rooms)
    await rooms.model.pool.some_ready(clock.wait_s())
    composed = await rooms.blocking(compose, ask, dialogue, before, hits, allowed, salt, generation, rooms)
    if ask.answer == "quotes":
        composed = await rooms.blocking(with_offer, composed, question, hits[-1], rooms)
    found = await _found(ask, question, hits[-1], composed, generation, rooms)
    clock.lap("compose")
    return composed, found


def _readers(ask: Ask, composed: Composed, rooms: Rooms) -> Sequence[ChoiceReader | QuoteReader]:
    n, offer, settings = range(ask.sampling.n), composed.offer, rooms.settings
    if offer:
        return [QuoteReader(index, QuoteStream(offer, composed.nothing, admits=rooms.abstention.admits)) for index in n]
    shown, policy, parser = composed.prompt.shown, settings.citations.policy, settings.engine.tool_parser
    return [ChoiceReader(index, ask, shown, policy=policy, parser=parser) for index in n]


async def _found(
    ask: Ask, question: str, hits: tuple[Hit, ...], composed: Composed, generation: Generation, rooms: Rooms
) -> Found:
    files: Mapping[ChunkId, SourceFile] = {}
    if ask.wants_files:
        chunks = [hit.chunk for hit in hits] + [shown.chunk for shown in composed.prompt.shown]
        files = await rooms.blocking(rooms.library.files_of, chunks, generation)
    return Found(query=question, hits=hits, files=files)


def _allowed(ask: Ask, generation: Generation, rooms: Rooms) -> frozenset[int] | None:
    """The chunks that the prompt may show; None: all. Blocks."""
    rooms.library.used(generation.info.id)
    return rooms.library.allowed(ask.filter, generation)


async def _deltas(
    ask: Ask, sampling: Sampling, ticket: Ticket, rooms: Rooms, clock: Clock
) -> AsyncGenerator[Delta, None]:
    """The engine's answer, within the request's deadline."""
    n_prompt = len(ticket.prompt.token_ids)
    async with aclosing(rooms.model.pool.stream(ticket, sampling, request_id=ask.request_id)) as stream:
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
            ask.meter.spend(n_prompt + len(delta.token_ids))
            n_prompt = 0  # it counts once, as soon as the engine has taken it
            if delta.text or delta.finish_reason:
                clock.mark("first_token")
            yield delta


def _refused(
    ask: Ask, generation: Generation, found: Found, composed: Composed, n_choices: int, clock: Clock, rooms: Rooms
) -> Iterator[Event]:
    """All events of an answer that the engine is not asked for."""
    clock.mark("first_token")
    clock.mark("total")
    found, pieces, report = refused(
        composed.nothing,
        found,
        n_choices=n_choices,
        collection=generation.info.name,
        generation=generation.number,
        layout=composed.prompt.layout,
        n_turns_dropped=composed.n_turns_dropped,
        timings_ms=clock.timings_ms,
    )
    yield found
    yield from pieces
    _count(report, (), ask, rooms)
    yield report


def _count(report: Report, judged_s: Sequence[float], ask: Ask, rooms: Rooms) -> None:
    objective_s = rooms.settings.server.first_token_objective_s
    count(report, judged_s, rooms.metrics, priority=ask.priority, objective_s=objective_s)


def _report(
    generation: Generation | None,
    found: Found | None,
    composed: Composed,
    ticket: Ticket,
    choices: Sequence[Choice],
    usage: Usage | None,
    clock: Clock,
) -> Report:
    if usage is None:
        raise EngineError("The engine ended without saying what it used. Is it a vLLM server? See its log.")
    clock.mark("first_token")
    clock.mark("total")
    return Report(
        choices=tuple(choices),
        usage=usage,
        collection=generation.info.name if generation else None,
        generation=generation.number if generation else None,
        prompt=ticket.prompt,
        hits=found.hits if found else (),
        n_turns_dropped=composed.n_turns_dropped,
        reuse=account(ticket, composed, usage),
        timings_ms=dict(clock.timings_ms),
    )
