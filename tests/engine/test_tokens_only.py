"""A real vLLM by both its routes: tokens alone with the text made here, and completions with the text made there."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from tokenizers import Tokenizer

from rag.engine import VllmEngine
from rag.errors import EngineError, InvalidRequest
from rag.types import Delta, Sampling, Usage

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

WORDS = {"type": "string", "enum": ["the tide is high", "the tide is low"]}
OBJECT = {"type": "object", "properties": {"tide": WORDS}, "required": ["tide"]}
TEXTS = ["The tide is high.", "退款需要多久、十四天。", "Ebbe 🌊 und Flut 👩‍🔬, e\u0301t\u00e9 a\u0308o\u0308"]

Check = Callable[[VllmEngine, VllmEngine, Tokenizer], Awaitable[None]]


@pytest.fixture
def by_both(service, tiny_tokenizer_json: str) -> Callable[[Check], None]:
    """Runs a check with an engine for each route, the token route first, and the model's tokenizer."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer_json)

    def start(check: Check) -> None:
        async def main() -> None:
            engines = [VllmEngine(service.engine_url), VllmEngine(service.engine_url, tokens_only=False)]
            try:
                for engine in engines:
                    await engine.info()
                    engine.learn(tokenizer, Sampling())
                assert [engine._takes_tokens for engine in engines] == [True, False]
                await check(*engines, tokenizer)
            finally:
                for engine in engines:
                    await engine.close()

        asyncio.run(main())

    return start


async def answer(engine: VllmEngine, prompt: tuple[int, ...], salt: str, **sampling: object) -> list[Delta]:
    options = Sampling(**{"max_tokens": 48, "temperature": 0.0, **sampling})
    return [delta async for delta in engine.stream(prompt, options, salt=salt, request_id=secrets.token_hex(4))]


def whole(deltas: list[Delta]) -> tuple[str, tuple[int, ...], list[str], Usage | None]:
    """Text, ids, finish reasons and usage."""
    return (
        "".join(delta.text for delta in deltas),
        tuple(token_id for delta in deltas for token_id in delta.token_ids),
        [delta.finish_reason for delta in deltas if delta.finish_reason],
        deltas[-1].usage,
    )


@pytest.mark.parametrize("text", TEXTS)
def test_both_give_the_same_text_ids_reason_and_usage_new_and_cached(by_both, text: str) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, tokenizer: Tokenizer) -> None:
        prompt = tuple(tokenizer.encode(text * 12).ids)
        salts = secrets.token_hex(8), secrets.token_hex(8)
        for _ in ("new", "cached"):
            mine = whole(await answer(tokens, prompt, salts[0]))
            theirs = whole(await answer(completions, prompt, salts[1]))
            assert mine == theirs
        assert mine[2] == ["length"]
        assert mine[3].cached_tokens
        assert mine[3].completion_tokens == len(mine[1]) == 48

    by_both(check)


SAMPLING = {"temperature": 0.9, "top_p": 0.9, "top_k": 40, "min_p": 0.01, "repetition_penalty": 1.1}
SAMPLING |= {"presence_penalty": 0.5, "frequency_penalty": 0.3}


@pytest.mark.parametrize("recommends", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_sample_the_same_and_the_models_author_is_heard(by_both, seed: int, *, recommends: bool) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, tokenizer: Tokenizer) -> None:
        prompt = tuple(range(100, 200))
        options = dict.fromkeys(SAMPLING) if recommends else SAMPLING
        if recommends:
            tokens.learn(tokenizer, Sampling(**SAMPLING))
        mine = whole(await answer(tokens, prompt, "s", seed=seed, **options))
        assert mine[:3] == whole(await answer(completions, prompt, "s", seed=seed, **SAMPLING))[:3]
        assert len(set(mine[1])) > 10
        assert mine[0]

    by_both(check)


def test_both_write_control_tokens_or_not_and_never_what_is_banned(by_both) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, _: Tokenizer) -> None:
        prompt = tuple(range(900, 960))
        word = whole(await answer(tokens, prompt, "s", **SAMPLING, seed=1))[0].split()[1]
        for options in ({"special_tokens": True}, {"bad_words": (word,)}):
            mine, theirs = [
                whole(await answer(engine, prompt, "s", **SAMPLING, **options, seed=1))
                for engine in (tokens, completions)
            ]
            assert mine[:3] == theirs[:3]

    by_both(check)


def test_structured_answers_are_the_same(by_both) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, _: Tokenizer) -> None:
        prompt = tuple(range(500, 560))
        for form in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "t", "schema": OBJECT}}):
            mine, theirs = [
                whole(await answer(engine, prompt, "s", response_format=form)) for engine in (tokens, completions)
            ]
            assert mine[:3] == theirs[:3]
            assert mine[0].lstrip().startswith("{")

    by_both(check)


def test_the_token_that_ends_an_answer_is_no_text(by_both) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, tokenizer: Tokenizer) -> None:
        form = {"type": "json_schema", "json_schema": {"name": "tide", "schema": WORDS}}
        for engine in (tokens, completions):
            text, ids, reasons, _ = whole(await answer(engine, tuple(range(500, 560)), "s", response_format=form))
            assert json.loads(text) in WORDS["enum"]
            assert ids[-1] == tokenizer.token_to_id("<|im_end|>")
            assert reasons == ["stop"]

    by_both(check)


def test_stop_strings_are_honoured_by_an_engine_that_takes_tokens(by_both) -> None:
    async def check(tokens: VllmEngine, _: VllmEngine, __: Tokenizer) -> None:
        prompt = tuple(range(700, 760))
        text = whole(await answer(tokens, prompt, "s"))[0]
        stop = text[len(text) // 2 :][:4]
        cut = whole(await answer(tokens, prompt, "s", stop=(stop,)))
        assert cut[0] == text[: text.index(stop)]
        assert cut[2] == ["stop"]

    by_both(check)


def test_both_refuse_alike(by_both) -> None:
    async def check(tokens: VllmEngine, completions: VllmEngine, _: Tokenizer) -> None:
        bad = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
        for engine in (tokens, completions):
            with pytest.raises(InvalidRequest, match=r"The engine refuses the request: .*\b9000\b"):
                await answer(engine, (100,) * 9000, "s")
            with pytest.raises(InvalidRequest, match="The engine refuses the request: "):
                await answer(engine, (100,) * 50, "s", response_format=bad)
            engine._model = "nobody"
            with pytest.raises(EngineError, match="status 404: The model `nobody` does not exist"):
                await answer(engine, (100,) * 50, "s")

    by_both(check)


def test_an_answer_that_nobody_waits_for_is_aborted(service, by_both) -> None:
    async def check(tokens: VllmEngine, _: VllmEngine, __: Tokenizer) -> None:
        before = await made(service)
        endless = Sampling(max_tokens=8000, temperature=0.0)
        stream = tokens.stream((100,) * 50, endless, salt="s", request_id=secrets.token_hex(4))
        await anext(stream)
        await stream.aclose()
        last, now = -1.0, before
        async with asyncio.timeout(20):
            while now != last:
                await asyncio.sleep(0.5)
                last, now = now, await made(service)
        assert now - before < 7500  # of 8,000 that were asked for

    by_both(check)


async def made(service) -> float:
    """Tokens that the engine has generated."""
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        lines = (await client.get(f"{service.engine_url}/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:generation_tokens_total{"))
