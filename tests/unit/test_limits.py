"""Limits of a key, with a clock that the tests move."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rag.api.errors import describe
from rag.auth import KeyMeter, Limiter, MemoryCounters
from rag.auth.limits import duration
from rag.errors import OverLimit
from rag.store import KeyLimits

Start = Callable[..., KeyMeter]


class Clock:
    """The time, to be moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(check: Callable[[Start, Clock], Awaitable[None]]) -> None:
    """Run `check` with meters of one key over one set of counters."""

    async def main() -> None:
        clock = Clock()
        limiter = Limiter(MemoryCounters(clock))
        await check(lambda **limits: limiter.meter("k", KeyLimits(**limits)), clock)
        await limiter.close()

    asyncio.run(main())


async def refused(work: Awaitable[None]) -> OverLimit:
    with pytest.raises(OverLimit) as caught:
        await work
    return caught.value


def test_requests_in_a_minute() -> None:
    async def check(start: Start, clock: Clock) -> None:
        for _ in range(2):
            await start(requests_per_minute=2).admit()
        third = start(requests_per_minute=2)
        error = await refused(third.admit())
        assert (error.kind, error.retry_after_s) == ("requests", 30)
        assert third.headers() == {
            "x-ratelimit-limit-requests": "2",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1m0s",
        }
        clock.now = 29.9
        await refused(start(requests_per_minute=2).admit())
        clock.now = 30  # a refused request has used nothing
        fourth = start(requests_per_minute=2)
        await fourth.admit()
        assert fourth.headers()["x-ratelimit-remaining-requests"] == "0"
        clock.now = 600  # nothing is saved up beyond a minute's
        for _ in range(2):
            await start(requests_per_minute=2).admit()
        await refused(start(requests_per_minute=2).admit())

    run(check)


def test_tokens_are_reserved_and_then_charged_as_used() -> None:
    async def check(start: Start, clock: Clock) -> None:
        first = start(tokens_per_minute=600)
        await first.admit()
        assert first.headers()["x-ratelimit-remaining-tokens"] == "600"
        await first.reserve(500)
        assert first.headers()["x-ratelimit-remaining-tokens"] == "100"
        second = start(tokens_per_minute=600)
        await second.admit()
        error = await refused(second.reserve(200))
        assert (error.kind, error.retry_after_s) == ("tokens", 10)
        await second.close()  # it has used nothing

        first.spend(90)
        first.spend(10)
        await first.settle()
        assert first.headers()["x-ratelimit-remaining-tokens"] == "500"
        assert first.headers()["x-ratelimit-reset-tokens"] == "10s"
        first.spend(20)  # after the answer began
        await first.close()
        assert first.headers()["x-ratelimit-remaining-tokens"] == "480"
        await first.close()  # once
        assert first.headers()["x-ratelimit-remaining-tokens"] == "480"

    run(check)


def test_more_used_than_reserved_is_paid_back_with_time() -> None:
    async def check(start: Start, clock: Clock) -> None:
        first = start(tokens_per_minute=600)
        await first.reserve(600)
        first.spend(1200)
        await first.close()
        assert first.headers()["x-ratelimit-remaining-tokens"] == "0"
        error = await refused(start(tokens_per_minute=600).reserve(1))
        assert error.retry_after_s == pytest.approx(60.1)
        clock.now = 60.1
        await start(tokens_per_minute=600).reserve(1)

    run(check)


def test_a_request_beyond_the_whole_limit_can_never_pass() -> None:
    async def check(start: Start, clock: Clock) -> None:
        error = await refused(start(tokens_per_minute=600).reserve(601))
        assert error.retry_after_s is None
        assert "never pass" in str(error)
        status, body, headers = describe(error)
        assert (status, headers) == (429, {"x-should-retry": "false"})
        assert body["error"]["type"] == "tokens"
        await start(tokens_per_minute=600).reserve(600)

    run(check)


def test_requests_at_the_same_time() -> None:
    async def check(start: Start, clock: Clock) -> None:
        first, second = start(concurrent=1, requests_per_minute=1), start(concurrent=1, requests_per_minute=1)
        await first.admit()
        error = await refused(second.admit())
        assert (error.kind, error.retry_after_s) == ("requests", 1)
        await first.close()
        clock.now = 60
        await second.admit()
        await second.close()
        await refused(start(concurrent=1, requests_per_minute=1).admit())  # of its minute
        clock.now = 120
        await start(concurrent=1, requests_per_minute=1).admit()  # the refused one holds no place

    run(check)


def test_held_places_are_renewed_until_let_go() -> None:
    class Renewed(MemoryCounters):
        def __init__(self) -> None:
            super().__init__()
            self.renewed: list[tuple[str, ...]] = []

        async def renew(self, leases) -> None:
            self.renewed.append(tuple(place for place, _ in leases))

    async def main() -> None:
        counters = Renewed()
        limiter = Limiter(counters, renew_s=0.01)
        meter = limiter.meter("k", KeyLimits(concurrent=1))
        await meter.admit()
        await asyncio.sleep(0.05)
        assert counters.renewed[0] == ("k:places",)
        await meter.close()
        counters.renewed.clear()
        await asyncio.sleep(0.05)
        assert counters.renewed[-1] == ()
        await limiter.close()

    asyncio.run(main())


def test_a_key_without_that_limit_is_not_told_of_it() -> None:
    async def check(start: Start, clock: Clock) -> None:
        meter = start(concurrent=5)
        await meter.admit()
        await meter.reserve(10**9)
        assert meter.headers() == {}

    run(check)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9991, "1m0s"),
        (360, "6m0s"),
        (3661.2, "61m2s"),
    ],
)
def test_durations_are_openais(seconds, text) -> None:
    assert duration(seconds) == text


def test_a_wait_is_told_in_whole_seconds_and_in_milliseconds() -> None:
    def headers(seconds: float) -> tuple[str, str]:
        told = describe(OverLimit("Wait.", kind="requests", retry_after_s=seconds))[2]
        return told["Retry-After"], told["retry-after-ms"]

    assert headers(0.012) == ("1", "12")
    assert headers(1.0001) == ("2", "1001")
