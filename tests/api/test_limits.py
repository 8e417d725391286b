"""Limits by key over a real socket: headers, refusals, streams, clients that leave, and two services on one Redis."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import openai
import pytest
from openai import OpenAI

ASK = {"model": "tiny", "messages": [{"role": "user", "content": "How is the station installed?"}]}
WORDS = "word " * 300  # five hundred tokens of the fake engine, three characters each

SIZE = 12_000  # tokens a minute: more than a request takes, and little drains while a test runs

Serve = Callable[..., object]


@contextmanager
def client_of(url: str, key: str, *, max_retries: int = 0) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=max_retries) as client:
        yield client


def left(url: str, key: str, kind: str = "tokens") -> int:
    """What a key has left."""
    answer = httpx2.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return int(answer.headers[f"x-ratelimit-remaining-{kind}"])


def assert_charged(remaining: int, used: int, since: float) -> None:
    """`used` tokens of SIZE are gone, but for what has drained."""
    drained = (time.monotonic() - since) * SIZE / 60 + 1
    assert used - drained <= SIZE - remaining <= used + 1


def left_when_free(url: str, key: str, kind: str = "tokens") -> int:
    """What a key has left, as soon as its one place is free."""
    end = time.monotonic() + 10
    while True:
        try:
            return left(url, key, kind)
        except AssertionError:
            assert time.monotonic() < end
            time.sleep(0.05)


def repeat(ask: Callable[[], object]) -> None:
    """Ask until it is refused: how often tells no number, for a little drains while the test runs."""
    for _ in range(100):
        ask()


@pytest.fixture
def serve(serve_fake, data_dir) -> Serve:
    """Starts a service over the test's own data directory."""

    def start(reply: str = "Yes.", *, settings: dict[str, object] | None = None, **options: object) -> object:
        return serve_fake(reply, settings={"data_dir": data_dir, **(settings or {})}, **options)

    return start


def test_every_answer_tells_a_limited_key_what_is_left_and_no_other(serve, make_key) -> None:
    limited = make_key(limits={"requests_per_minute": 6, "tokens_per_minute": 60_000})
    free = make_key()
    with serve() as (url, _):
        with client_of(url, limited) as client:
            answers = [client.models.with_raw_response.list() for _ in range(2)]
            headers = answers[-1].headers
            assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-limit-tokens"]) == ("6", "60000")
            assert headers["x-ratelimit-remaining-requests"] == "4"
            assert headers["x-ratelimit-remaining-tokens"] == "60000"
            assert headers["x-ratelimit-reset-requests"].endswith("s")
            assert headers["x-ratelimit-reset-tokens"] == "0ms"
            with pytest.raises(openai.NotFoundError) as missing:
                client.models.retrieve("none")
            assert "x-ratelimit-remaining-requests" in missing.value.response.headers
        with client_of(url, free) as client:
            headers = client.models.with_raw_response.list().headers
            assert not [name for name in headers if name.startswith("x-ratelimit")]


def test_too_many_requests_are_refused_and_openais_client_waits_as_told(serve, make_key) -> None:
    key = make_key(limits={"requests_per_minute": 30})
    with serve() as (url, _), client_of(url, key) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            repeat(client.models.list)
        assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "requests")
        headers = refused.value.response.headers
        assert headers["retry-after"] in {"1", "2"}
        assert 0 < int(headers["retry-after-ms"]) <= 2000
        assert headers["x-ratelimit-remaining-requests"] == "0"
        start = time.monotonic()
        assert client.with_options(max_retries=2).models.list().data
        assert time.monotonic() - start > 0.2


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_charged_as_the_engine_used_them(serve, make_key, stream) -> None:
    key = make_key(limits={"tokens_per_minute": SIZE})
    with serve(WORDS) as (url, _), client_of(url, key) as client:
        since = time.monotonic()
        answer = client.chat.completions.with_raw_response.create(
            **ASK, max_tokens=2000, stream=stream, **({"stream_options": {"include_usage": True}} if stream else {})
        )
        told = int(answer.headers["x-ratelimit-remaining-tokens"])
        parsed = answer.parse()
        usage = [chunk.usage for chunk in parsed][-1] if stream else parsed.usage
        assert usage.completion_tokens == 500
        # Of a stream it is told before the answer is made: what was reserved.
        assert_charged(told, usage.prompt_tokens + 2000 if stream else usage.total_tokens, since)
        assert_charged(left(url, key), usage.total_tokens, since)


def test_every_choice_and_every_prompt_is_charged(serve, make_key) -> None:
    key = make_key(limits={"tokens_per_minute": SIZE})
    with serve(WORDS) as (url, _), client_of(url, key) as client:
        since = time.monotonic()
        used = client.chat.completions.create(**ASK, n=2).usage.total_tokens
        used += client.completions.create(model="tiny", prompt=["One", "Two"], n=2, max_tokens=100).usage.total_tokens
        assert used > 1400
        assert_charged(left(url, key), used, since)
        small = make_key(limits={"tokens_per_minute": 350})
        with pytest.raises(openai.RateLimitError, match="never pass"):
            client.with_options(api_key=small).completions.create(
                model="tiny", prompt=["One", "Two"], n=2, max_tokens=100
            )


def test_embeddings_are_charged(serve, make_key) -> None:
    key = make_key(limits={"tokens_per_minute": 60})
    with serve() as (url, _), client_of(url, key) as client:
        used = client.embeddings.create(model="fake", input="one two three four " * 5).usage.total_tokens
        assert left(url, key) == pytest.approx(60 - used, abs=10)
        with pytest.raises(openai.RateLimitError) as refused:
            repeat(lambda: client.embeddings.create(model="fake", input="one two three four " * 5))
        assert refused.value.type == "tokens"


def test_a_request_that_can_never_pass_says_so_and_is_not_tried_again(serve, make_key) -> None:
    key = make_key(limits={"tokens_per_minute": 1000, "requests_per_minute": 10})
    with serve() as (url, engine), client_of(url, key, max_retries=2) as client:
        n_asked = len(engine.salts)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**ASK, max_tokens=900)
        assert "never pass" in str(refused.value)
        assert refused.value.type == "tokens"
        assert "retry-after" not in refused.value.response.headers
        assert left(url, key, "requests") == 8
        assert left(url, key) == 1000
        assert len(engine.salts) == n_asked


def test_a_client_that_leaves_is_charged_what_was_made_for_it(serve, make_key) -> None:
    key = make_key(limits={"tokens_per_minute": SIZE, "concurrent": 1})
    with serve(WORDS, token_s=0.02) as (url, engine), client_of(url, key) as client:
        with client.chat.completions.create(**ASK, max_tokens=4000, stream=True) as stream:
            for number, chunk in enumerate(stream):
                assert chunk.choices
                if number == 10:
                    break
            with pytest.raises(openai.RateLimitError) as refused:  # the stream still holds the one place
                client.models.list()
            assert refused.value.type == "requests"
            assert refused.value.response.headers["retry-after"] == "1"
        remaining = left_when_free(url, key)
        assert engine.n_cancelled == 1
        assert 500 < SIZE - remaining < 5500  # the prompt and some of the answer, not the 4000 that it might have had


def test_no_more_requests_than_allowed_run_at_the_same_time(serve, make_key) -> None:
    key = make_key(limits={"concurrent": 2})
    with (
        serve("word " * 100, token_s=0.02) as (url, _),
        ThreadPoolExecutor(6) as pool,
        httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=60) as client,
    ):

        def ask(_: int) -> int:
            return client.post(f"{url}/v1/chat/completions", json=ASK).status_code

        assert sorted(pool.map(ask, range(6))) == [200] * 2 + [429] * 4
        assert ask(0) == 200


def test_two_services_on_one_redis_share_a_keys_limits(serve_fake, copy_data, key_in, tmp_path, start_redis) -> None:
    redis_url, process = start_redis()
    data_dir = copy_data(tmp_path)
    key = key_in(data_dir, limits={"requests_per_minute": 4, "concurrent": 1})
    settings = {"data_dir": data_dir, "server": {"redis_url": redis_url}}
    headers = {"authorization": f"Bearer {key}"}
    with (
        serve_fake(WORDS, settings=settings, token_s=0.02) as (one, _),
        serve_fake("Yes.", settings=settings) as (two, _),
    ):
        with httpx2.stream("POST", f"{one}/v1/chat/completions", json={**ASK, "stream": True}, headers=headers) as long:
            lines = long.iter_lines()  # kept, for the stream ends with it
            assert next(lines).startswith("data: ")
            assert httpx2.get(f"{two}/v1/models", headers=headers).json()["error"]["type"] == "requests"
        assert left_when_free(two, key, "requests") == 2  # a refused request has used nothing
        assert left(one, key, "requests") == 1
        assert httpx2.get(f"{two}/v1/models", headers=headers).status_code == 200
        assert [httpx2.get(f"{url}/v1/models", headers=headers).status_code for url in (one, two)] == [429] * 2

        process.kill()
        process.wait()
        answers = [httpx2.get(f"{one}/v1/models", headers=headers) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
