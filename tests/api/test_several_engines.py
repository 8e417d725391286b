"""Two engines behind one service: where questions go, and what users see of one that fails."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2
import pytest
from openai import APIError, OpenAI

from rag.embed import FakeEncoder
from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.errors import EngineUnavailable
from rag.settings import load

REPLY = "The standard warranty lasts 26 months. [1]"


class Mortal(FakeEngine):
    """An engine that can be dead. die_after: it dies after so many tokens of an answer."""

    def __init__(self, number: int, info: EngineInfo, **options) -> None:
        super().__init__(lambda _: REPLY, info=info, uncached_token_s=1e-4, **options)
        self.url = f"fake://engine-{number}"
        self.is_dead = False
        self.die_after: int | None = None

    async def info(self) -> EngineInfo:
        await self.check()
        return await super().info()

    async def check(self) -> None:
        if self.is_dead:
            raise EngineUnavailable(f"The engine at {self.url} is dead. Wait.")

    async def stream(self, token_ids, sampling, **options):
        await self.check()
        n_tokens = 0
        async for delta in super().stream(token_ids, sampling, **options):
            await self.check()
            yield delta
            n_tokens += 1
            if n_tokens == self.die_after:
                self.is_dead = True


Two = Callable[..., AbstractContextManager[tuple[str, list[Mortal]]]]


@pytest.fixture
def two(start_service, sample_data_dir: Path, tiny_format: Path) -> Two:
    """Starts a service over two engines: its URL, and them."""

    @contextmanager
    def start(
        *, warm: bool = False, topic_tokens: int | None = None, **engine: object
    ) -> Iterator[tuple[str, list[Mortal]]]:
        info = EngineInfo(model="tiny", source=str(tiny_format), window_tokens=8192, block_size=16, kv_tokens=200_000)
        fakes = [Mortal(number, info, **engine) for number in range(2)]
        urls = [fake.url for fake in fakes]
        own = {"data_dir": sample_data_dir, "engine": {"urls": urls, "probe_s": 0.1}, "cache": {"warm": warm}}
        if topic_tokens:
            own["prompt"] = {"shared_prefix_tokens": 0, "topic_tokens": topic_tokens}
        settings = load(own).settings
        pool = EnginePool([Slot(engine=fake) for fake in fakes], settings.engine)
        with start_service(settings, pool=pool, encoder=FakeEncoder()) as url:
            yield url, fakes

    return start


def ask(url: str, *messages: str, **options) -> dict:
    """The `rag` object of an answer, and its text under `answer`."""
    roles = ["user", "assistant"] * len(messages)
    turns = [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        answer = client.chat.completions.create(model="tiny", messages=turns, **options)
    return {**answer.model_extra["rag"], "answer": answer.choices[0].message.content}


def engines(url: str) -> dict[str, dict]:
    return {each["url"]: each for each in httpx2.get(f"{url}/ready").json()["engines"]}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def user_prompts(fake: Mortal) -> list[tuple[int, ...]]:
    """Without those of the probe and the measurement of its pace."""
    return [prompt for prompt, session in zip(fake.prompts, fake.sessions, strict=True) if len(session or "") == 32]


def test_questions_about_one_prefix_go_to_the_engine_that_has_it(two: Two) -> None:
    with two() as (url, fakes):
        answers = [ask(url, f"What is item number {number}?") for number in range(6)]
        assert sorted(len(user_prompts(fake)) for fake in fakes) == [0, 6]
        assert all(answer["reuse"]["cached_tokens"] > 1500 for answer in answers[1:])
        routed = [each["routed"] for each in engines(url).values()]
        assert {} in routed
        assert {"held": 5} in [{why: n for why, n in counts.items() if why == "held"} for counts in routed]
        [sessions] = [set(fake.sessions) for fake in fakes if user_prompts(fake)]
        assert len({session for session in sessions if len(session or "") == 32}) == 1


def test_a_burst_computes_a_prefix_once_for_each_engine_at_most(two: Two) -> None:
    with two(token_s=0.01) as (url, fakes), ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(lambda n: ask(url, f"What is item number {n}?"), range(32)))
        cold = [answer for answer in answers if not answer["reuse"]["cached_tokens"]]
        assert len(cold) <= 2
        routed = [each["routed"] for each in engines(url).values()]
        assert sum(sum(counts.values()) for counts in routed) >= 32
        assert sum(len(user_prompts(fake)) for fake in fakes) == 32


def test_a_conversation_stays_where_its_turns_are_held(two: Two) -> None:
    with two() as (url, fakes):
        said = ["How long is the warranty?"]
        for question in ("And the frost alert?", "What does it cost?", "Who repairs it?"):
            before = ask(url, *said)
            said += [before["answer"], question]
        last = ask(url, *said)
        assert last["reuse"]["cached_tokens"] >= before["reuse"]["prompt_tokens"] - 16
        assert sorted(len(user_prompts(fake)) for fake in fakes) == [0, 4]


def test_an_engine_that_dies_costs_nothing_but_the_streams_it_had(two: Two) -> None:
    with two(token_s=0.005) as (url, fakes):
        ask(url, "How long is the warranty?")
        [home] = [fake for fake in fakes if user_prompts(fake)]
        home.die_after = 3
        with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            messages = [{"role": "user", "content": "What does it cost?"}]
            stream = client.chat.completions.create(model="tiny", messages=messages, stream=True)
            with pytest.raises(APIError, match=r"is dead|was taken out"):
                list(stream)
        home.die_after = None
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda n: ask(url, f"What is item number {n}?"), range(16)))
        assert all(answer["answer"] for answer in answers)
        until(lambda: engines(url)[home.url]["state"] == "down")
        assert "is dead" in engines(url)[home.url]["reason"]
        assert httpx2.get(f"{url}/ready").status_code == 200
        home.is_dead = False
        until(lambda: engines(url)[home.url]["state"] == "ready")
        assert engines(url)[home.url]["reason"] is None


def test_an_engine_is_warm_before_it_is_asked_again(two: Two) -> None:
    with two(warm=True) as (url, fakes):
        ask(url, "How long is the warranty?")
        first, second = fakes
        second.is_dead = True
        until(lambda: engines(url)[second.url]["state"] == "down")
        n_before = len(user_prompts(second))
        second._held.clear()  # its process began anew
        second.is_dead = False
        until(lambda: engines(url)[second.url]["state"] == "ready")
        # One collection with one prefix, which all questions ask for: every engine is a home of it.
        assert sum(len(prompt) > 1500 for prompt in user_prompts(second)[n_before:]) >= 1
        first.is_dead = True
        until(lambda: engines(url)[first.url]["state"] == "down")
        assert ask(url, "Who repairs it?")["reuse"]["cached_tokens"] > 1500


def test_a_prefix_is_computed_ahead_where_it_is_at_home(two: Two) -> None:
    with two(topic_tokens=300) as (url, fakes):
        assert httpx2.post(f"{url}/warm", json={}, timeout=60).json()["warmed"][0]["prefixes"] > 3
        # The last step of each prefix is the whole of it; steps before are its beginnings.
        first, second = (set(user_prompts(fake)) for fake in fakes)
        assert first
        assert second
        assert not first & second


def test_without_any_engine_it_says_so_and_when_to_come_back(two: Two) -> None:
    with two() as (url, fakes):
        for fake in fakes:
            fake.is_dead = True
        until(lambda: {each["state"] for each in engines(url).values()} == {"down"})
        answer = httpx2.get(f"{url}/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert httpx2.get(f"{url}/health").status_code == 200
