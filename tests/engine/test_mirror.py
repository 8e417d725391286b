"""The mirror of a real vLLM's prefix cache: what it predicts is what vLLM reports."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx2
import openai
import psutil
import pytest

from rag.engine import EnginePool, running_slots
from rag.settings import EngineSettings
from rag.types import Prompt, Sampling, Usage

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

WITHIN_S = 60


def ask(service, question: str) -> dict:
    """The reuse of one answer."""
    messages = [{"role": "user", "content": question}]
    answer = service.client.chat.completions.create(
        model=service.model, messages=messages, max_tokens=12, temperature=0
    )
    return answer.model_extra["rag"]["reuse"]


def error_blocks(service, reuse: dict) -> float:
    block_size = service.ready()["engines"][0]["block_size"]
    return abs(reuse["cached_tokens"] - reuse["predicted_cached_tokens"]) / block_size


def wait_until_live(service) -> None:
    deadline = time.monotonic() + WITHIN_S
    while service.ready()["engines"][0]["mirror"] != "live":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def clear_cache(service) -> None:
    """Try until vLLM does: it refuses while a request holds blocks, and frees them after its answer."""
    deadline = time.monotonic() + WITHIN_S
    while not httpx2.post(f"{service.engine_url}/reset_prefix_cache", timeout=30).is_success:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def metric(service, name: str) -> float:
    lines = httpx2.get(f"{service.url}/metrics", timeout=30).text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name}{{")).split()[-1])


def test_eight_clients_over_a_warm_prefix_are_predicted_to_the_block(service) -> None:
    wait_until_live(service)
    ask(service, "Warm up?")
    with ThreadPoolExecutor(8) as clients:
        reuses = list(
            clients.map(lambda n: ask(service, f"How long is the warranty of part {n % 7}, number {n}?"), range(32))
        )
    assert [reuse for reuse in reuses if error_blocks(service, reuse) > 1] == []
    assert [reuse for reuse in reuses if not reuse["cached_tokens"]] == []
    engine = service.ready()["engines"][0]
    assert engine["mirror"] == "live"
    assert engine["prediction_error"] < 0.05
    assert metric(service, "rag_engine_mirror_live") == 1
    assert metric(service, "rag_engine_event_replays") >= 1


def test_a_cleared_cache_is_noticed_by_the_second_request(service) -> None:
    ask(service, "Warm up?")
    clear_cache(service)
    first, *others = [ask(service, f"And then number {n}?") for n in range(4)]
    assert first["cached_tokens"] == 0
    assert [reuse for reuse in others if error_blocks(service, reuse) > 1] == []
    assert [reuse for reuse in others if not reuse["cached_tokens"]] == []
    assert service.ready()["engines"][0]["mirror"] == "live"


@asynccontextmanager
async def attached(service, *, replay: bool, events: bool = True) -> AsyncIterator[EnginePool]:
    """A second pool at the service's engine."""
    source = httpx2.get(f"{service.engine_url}/kv_event_sources", timeout=30).json()["0"]
    settings = EngineSettings(
        urls=(service.engine_url,),
        kv_events=(source["endpoint"],) if events else (),
        kv_replay=(source["replay_endpoint"],) if replay else (),
    )
    pool = EnginePool(running_slots(settings))
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def send(pool: EnginePool, token_ids: Sequence[int], salt: str) -> tuple[int, Usage]:
    """What was predicted of a prompt, and what vLLM reported."""
    prompt = Prompt(token_ids=tuple(token_ids), segments=(), shown=(), layout="none")
    sampling = Sampling(max_tokens=4, temperature=0.0)
    usage = None
    async with pool.ticket(prompt, salt, wait_s=10) as ticket:
        async for delta in pool.stream(ticket, sampling, request_id=secrets.token_hex(8)):
            usage = delta.usage or usage
    assert usage
    return ticket.predicted_cached_tokens, usage


async def until_live(pool: EnginePool) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not pool.slots[0].held.is_live:  # noqa: ASYNC110 - the mirror is a value and has no event
            await asyncio.sleep(0.02)


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())


def prompt_of(number: int, n_blocks: int = 6) -> list[int]:
    return [100 + (number * 37 + index) % 1500 for index in range(n_blocks * 32 + 5)]


def test_a_second_service_learns_by_replay_what_the_engine_holds(service) -> None:
    async def check() -> None:
        salt = secrets.token_hex(8)
        async with attached(service, replay=False, events=False) as blind:
            for number in range(5):
                assert (await send(blind, prompt_of(number), salt))[0] == 0
        async with attached(service, replay=True) as pool:
            await until_live(pool)
            for number in range(5):
                predicted, usage = await send(pool, prompt_of(number), salt)
                assert (predicted, usage.cached_tokens) == (6 * 32, 6 * 32)

    run(check)


def test_a_second_service_without_a_replay_learns_by_what_is_reported(service) -> None:
    async def check() -> None:
        salt = secrets.token_hex(8)
        async with attached(service, replay=False, events=False) as blind:
            for number in range(5):
                await send(blind, prompt_of(number), salt)
        async with attached(service, replay=False) as pool:
            held = pool.slots[0].held
            first = [await send(pool, prompt_of(number), salt) for number in range(5)]
            assert [(predicted, usage.cached_tokens) for predicted, usage in first] == [(0, 6 * 32)] * 5
            for number in range(100):  # some pass before the subscription is made
                predicted, usage = await send(pool, [*prompt_of(number % 5), number], salt)
                assert abs(predicted - (usage.cached_tokens or 0)) <= 32
                if held.is_live:
                    break
            assert held.is_live
            assert not held.must_report([])

    run(check)


def test_groups_never_predict_each_others_blocks(service) -> None:
    async def check() -> None:
        mine, theirs = secrets.token_hex(8), secrets.token_hex(8)
        async with attached(service, replay=True) as pool:
            await until_live(pool)
            for expected in (0, 6 * 32):
                for salt in (mine, theirs):
                    predicted, usage = await send(pool, prompt_of(7), salt)
                    assert (predicted, usage.cached_tokens) == (expected, expected)

    run(check)


def test_a_killed_engine_comes_back_and_its_mirror_starts_anew(service) -> None:
    before = service.ready()["engines"][0]
    children = [child.pid for child in psutil.Process(before["pid"]).children(recursive=True)]
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 200
    seen = set()
    while True:
        try:
            reuse = ask(service, "Still there?")
            if service.ready()["engines"][0]["restarts"] > before["restarts"]:
                break
        except openai.APIStatusError as error:
            seen.add((error.status_code, error.body["code"]))
            time.sleep(0.2)
        assert time.monotonic() < deadline, seen
        assert {status for status, _ in seen} <= {502, 503}
    assert (reuse["predicted_cached_tokens"], reuse["cached_tokens"]) == (0, 0)
    assert not any(psutil.pid_exists(child) for child in children)
    wait_until_live(service)
    reuses = [ask(service, f"Are you there, number {n}?") for n in range(4)]
    assert [reuse for reuse in reuses if error_blocks(service, reuse) > 1] == []
    assert [reuse for reuse in reuses if not reuse["cached_tokens"]] == []
