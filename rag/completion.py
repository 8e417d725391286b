"""Completions as the engine gives them: the bare model, several prompts at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from rag.admission import Claim, Need
from rag.ask import Meter
from rag.clock import Clock
from rag.engine import Ticket
from rag.errors import ContextTooLong, EngineTimeout
from rag.rooms import Rooms, cache_owner, cache_salt
from rag.telemetry import Metrics
from rag.types import Delta, Priority, Prompt, Sampling, Segment, Tokens, Usage

_AT_A_TIME = 8  # prompts of one request at the engine; each takes a place of its own there


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionAsk:
    """One request for completions."""

    prompts: tuple[Tokens, ...]
    request_id: str
    sampling: Sampling
    group: str
    key_id: str
    priority: Priority
    meter: Meter
    alias: str | None  # by which the model was named: how the first prompt fares counts for it


async def complete(ask: CompletionAsk, rooms: Rooms) -> AsyncGenerator[tuple[int, Delta], None]:
    """Pieces of completions as they come, each with the number of its prompt.

    Raises:
        RagError: the caller, the service or the engine is at fault.
    """
    _check_window(ask, rooms)
    n_answers = len(ask.prompts) * ask.sampling.n
    await ask.meter.reserve(sum(map(len, ask.prompts)) + n_answers * (ask.sampling.max_tokens or 0))
    clock = Clock(rooms.settings.server.request_timeout_s)
    places = asyncio.Semaphore(_AT_A_TIME)
    found: asyncio.Queue[tuple[int, Delta] | asyncio.Task[None]] = asyncio.Queue()

    async def run(index: int) -> None:
        async with places, aclosing(_complete_one(ask, index, rooms, clock)) as deltas:
            async for delta in deltas:
                found.put_nowait((index, delta))

    tasks = [asyncio.create_task(run(index)) for index in range(len(ask.prompts))]
    for task in tasks:
        task.add_done_callback(found.put_nowait)
    try:
        n_open = len(tasks)
        while n_open:
            match await found.get():
                case asyncio.Task() as task:
                    task.result()
                    n_open -= 1
                case piece:
                    yield piece
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _complete_one(ask: CompletionAsk, index: int, rooms: Rooms, clock: Clock) -> AsyncGenerator[Delta, None]:
    token_ids = ask.prompts[index]
    prompt = Prompt(
        token_ids=token_ids,
        segments=(Segment(name="question", n_tokens=len(token_ids)),),
        shown=(),
        layout=rooms.model.renderer.parts.layout,
    )
    n_answer_tokens = ask.sampling.n * (ask.sampling.max_tokens or 0)
    claim = Claim(key=ask.key_id, priority=ask.priority, n_tokens=len(token_ids) + n_answer_tokens)
    need = Need(
        n_prompt_tokens=len(token_ids),
        n_answers=ask.sampling.n,
        answer_tokens=ask.sampling.max_tokens or 0,
        kv_tokens=rooms.fleet.kv_tokens,
    )
    salt = cache_salt(ask.group, None, rooms)
    alias = ask.alias if index == 0 else None  # one prompt stands for the request
    async with (
        rooms.gate.place(claim, wait_s=clock.left_s()) as place,
        rooms.aliases.trial(alias, rooms.model.name, documents=False) as trial,
        _in_time(clock),
        rooms.model.pool.ticket(
            prompt, salt, wait_s=clock.wait_s(), owner=cache_owner(ask.group, None, rooms)
        ) as ticket,
    ):
        placed_s = first_s = clock.since_s()
        await rooms.gate.make_room(place, need, wait_s=clock.left_s())
        request_id = f"{ask.request_id}-{index}"
        n_prompt = len(token_ids)
        async with aclosing(rooms.model.pool.stream(ticket, ask.sampling, request_id=request_id)) as deltas:
            async for delta in deltas:
                ask.meter.spend(n_prompt + len(delta.token_ids))
                if n_prompt:
                    n_prompt = 0  # it counts once, as soon as the engine has taken it
                    first_s = clock.since_s()
                    _count_first(first_s, ask, rooms)
                if delta.usage:
                    _count(delta.usage, ticket, rooms.metrics)
                yield delta
        trial.answered(first_s - placed_s)


@asynccontextmanager
async def _in_time(clock: Clock) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(clock.left_s()):
            yield
    except TimeoutError:
        raise EngineTimeout(
            f"The completions were not complete after {clock.timeout_s:g} s (server.request_timeout_s). "
            "Ask for fewer max_tokens or prompts, or raise the limit."
        ) from None


def _count_first(first_s: float, ask: CompletionAsk, rooms: Rooms) -> None:
    objective_s = rooms.settings.server.first_token_objective_s
    rooms.metrics.first_token(first_s, priority=ask.priority, objective_s=objective_s)


def _count(usage: Usage, ticket: Ticket, metrics: Metrics) -> None:
    """Add a prompt to the metrics of answers without a collection."""
    metrics.prompt_tokens.labels("").inc(usage.prompt_tokens)
    metrics.predicted_cached_tokens.labels("").inc(ticket.predicted_cached_tokens)
    metrics.cached_tokens.labels("").inc(usage.cached_tokens or 0)


def _check_window(ask: CompletionAsk, rooms: Rooms) -> None:
    longest = max(map(len, ask.prompts))
    capacity = rooms.model.engine.window_tokens - (ask.sampling.max_tokens or 0)
    if longest > capacity:
        raise ContextTooLong(
            f"The prompt takes {longest} tokens of the {max(capacity, 0)} that the model's window leaves beside the "
            "completion. Shorten it, or ask for fewer max_tokens.",
            param="prompt",
        )


def encode_prompts(prompts: Sequence[str | Sequence[int]], rooms: Rooms) -> tuple[Tokens, ...]:
    """The prompts as token ids. Blocks: long texts take time to tokenise."""
    encode = rooms.model.renderer.tokenizer.encode_prompt
    return tuple(encode(prompt) if isinstance(prompt, str) else tuple(prompt) for prompt in prompts)
