"""What every engine promises: vLLM and the fake pass one suite."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import pytest

from rag.engine import Engine, FakeEngine, Reuse, VllmEngine, probe_reuse
from rag.errors import EngineUnavailable, InvalidRequest
from rag.types import Delta, Sampling

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

PROMPT = tuple(range(100, 300))


@pytest.fixture(params=["fake", "vllm", "vllm without its token route"])
def run(request: pytest.FixtureRequest, service) -> Callable[[Callable[[Engine], Awaitable[None]]], None]:
    """Runs a check against an engine, in an event loop of its own."""

    def start(check: Callable[[Engine], Awaitable[None]]) -> None:
        async def main() -> None:
            engine: Engine = FakeEngine(lambda _: "many words " * 40)
            if request.param != "fake":
                engine = VllmEngine(service.engine_url, tokens_only=request.param == "vllm")
            await engine.info()
            await check(engine)
            await engine.close()

        asyncio.run(main())

    return start


async def answer(
    engine: Engine, prompt: tuple[int, ...] = PROMPT, *, salt: str = "s", **sampling: object
) -> list[Delta]:
    options = Sampling(**{"max_tokens": 8, "temperature": 0.0, **sampling})
    return [delta async for delta in engine.stream(prompt, options, salt=salt, request_id=secrets.token_hex(4))]


def test_an_answer_ends_with_a_reason_and_usage(run) -> None:
    async def check(engine: Engine) -> None:
        deltas = await answer(engine)
        assert deltas[-1].usage
        assert deltas[-1].usage.prompt_tokens == len(PROMPT)
        assert [delta.finish_reason for delta in deltas if delta.finish_reason] in (["length"], ["stop"])
        n_tokens = sum(len(delta.token_ids) for delta in deltas)
        assert n_tokens == deltas[-1].usage.completion_tokens <= 8

    run(check)


def test_choices_are_apart_and_the_prompt_is_counted_once(run) -> None:
    async def check(engine: Engine) -> None:
        deltas = await answer(engine, n=3, temperature=1.0, seed=5)
        usage = deltas[-1].usage
        assert usage
        assert usage.prompt_tokens == len(PROMPT)
        for choice in range(3):
            own = [delta for delta in deltas[:-1] if delta.choice == choice]
            assert [bool(delta.finish_reason) for delta in own] == [False] * (len(own) - 1) + [True]
        assert sum(len(delta.token_ids) for delta in deltas) == usage.completion_tokens

    run(check)


def test_log_probabilities_come_with_their_tokens(run) -> None:
    async def check(engine: Engine) -> None:
        for delta in await answer(engine, top_logprobs=4, n=2):
            ended_by_token = delta.finish_reason == "stop"
            n_told = len(delta.logprobs)
            assert n_told == len(delta.token_ids) or (ended_by_token and n_told == len(delta.token_ids) - 1)
            for token_id, told in zip(delta.token_ids, delta.logprobs, strict=False):
                assert told.token_id == token_id
                assert told.logprob <= 0
                assert len(told.top) == 4
                assert [logprob for _, logprob in told.top] == sorted((lp for _, lp in told.top), reverse=True)
        bare = await answer(engine, top_logprobs=0)
        assert all(not told.top for delta in bare for told in delta.logprobs)
        assert all(not delta.logprobs for delta in await answer(engine))

    run(check)


def test_full_blocks_are_found_again_under_the_same_salt_only(run) -> None:
    async def check(engine: Engine) -> None:
        info = await engine.info()
        salt = secrets.token_hex(8)
        usages = [(await answer(engine, salt=s))[-1].usage for s in (salt, salt, salt + "x")]
        cached = [usage.cached_tokens for usage in usages if usage]
        assert cached == [0, (len(PROMPT) - 1) // info.block_size * info.block_size, 0]
        assert await probe_reuse(engine, info) is Reuse.ON

    run(check)


def test_a_stream_that_is_closed_stops_the_work(run) -> None:
    async def check(engine: Engine) -> None:
        options = Sampling(max_tokens=2000)
        stream = engine.stream(PROMPT, options, salt="s", request_id=secrets.token_hex(4))
        await anext(stream)
        await stream.aclose()
        assert (await answer(engine))[-1].usage

    run(check)


def test_what_vllm_refuses_is_the_callers_fault(service) -> None:
    async def main() -> None:
        engine = VllmEngine(service.engine_url)
        await engine.info()
        with pytest.raises(InvalidRequest):
            await answer(engine, (0,) * 9000)
        await engine.close()

    asyncio.run(main())


def test_nobody_there_is_said_so() -> None:
    async def main() -> None:
        engine = VllmEngine("http://127.0.0.1:1/v1")
        with pytest.raises(EngineUnavailable, match="not reachable"):
            await engine.info()
        with pytest.raises(EngineUnavailable, match="not reachable"):
            await answer(engine)
        await engine.close()

    asyncio.run(main())
