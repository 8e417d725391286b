"""What every implementation of `Counters` does: the one in memory, and the one in a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from rag.auth import Counters, MemoryCounters, RedisCounters
from rag.errors import ConfigError

Check = Callable[[Counters], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Callable[[Check], None]:
    """Runs a check over new counters."""
    start_redis = request.getfixturevalue("start_redis") if request.param == "redis" else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[Counters]:
        counters = RedisCounters(start_redis()[0], lease_s=0.3) if start_redis else MemoryCounters()
        try:
            yield counters
        finally:
            await counters.close()

    async def main(check: Check) -> None:
        async with opened() as counters:
            await check(counters)

    return lambda check: asyncio.run(main(check))


def test_a_bucket_is_full_at_its_size_and_drains_evenly(run) -> None:
    async def check(counters: Counters) -> None:
        size = 600  # drains ten a second
        first = await counters.take("k:requests", 599, size)
        assert first.taken
        assert first.used == pytest.approx(599, abs=1)
        refused = await counters.take("k:requests", 10, size)
        assert not refused.taken
        assert refused.used == pytest.approx(599, abs=2)
        assert (await counters.take("other:requests", 10, size)).taken
        await asyncio.sleep(1.1)
        later = await counters.take("k:requests", 10, size)
        assert later.taken
        assert later.used == pytest.approx(598, abs=3)

    run(check)


def test_a_correction_goes_beyond_the_size_and_never_below_nothing(run) -> None:
    async def check(counters: Counters) -> None:
        assert (await counters.take("k", 1000, 500, must=True)).used == pytest.approx(1000, abs=1)
        assert not (await counters.take("k", 1, 500)).taken
        assert (await counters.take("k", -5000, 500, must=True)).used == 0
        assert (await counters.take("k", 500, 500)).taken

    run(check)


def test_of_many_at_once_no_more_pass_than_there_is_room_for(run) -> None:
    async def check(counters: Counters) -> None:
        levels = await asyncio.gather(*(counters.take("k", 1, 5) for _ in range(20)))
        assert sum(level.taken for level in levels) == 5
        held = await asyncio.gather(*(counters.hold("k:places", str(number), 3) for number in range(20)))
        assert sum(held) == 3

    run(check)


def test_a_place_is_free_again_when_it_is_released(run) -> None:
    async def check(counters: Counters) -> None:
        assert await counters.hold("k", "a", 1)
        assert not await counters.hold("k", "b", 1)
        await counters.release("k", "b")  # never held
        await counters.release("k", "a")
        assert await counters.hold("k", "b", 1)

    run(check)


def test_a_place_in_redis_is_held_while_it_is_renewed_and_free_when_its_service_has_died(start_redis) -> None:
    async def main() -> None:
        url, _ = start_redis()
        alive, dead = RedisCounters(url, lease_s=0.4), RedisCounters(url, lease_s=0.4)
        assert await dead.hold("k", "dead", 2)
        assert await alive.hold("k", "alive", 2)
        assert not await alive.hold("k", "more", 2)
        for _ in range(4):
            await asyncio.sleep(0.15)
            await alive.renew([("k", "alive")])
        assert await alive.hold("k", "more", 2)
        assert not await alive.hold("k", "one too many", 2)
        await alive.close()
        await dead.close()

    asyncio.run(main())


def test_without_redis_each_counts_for_itself_and_says_so_once(start_redis) -> None:
    async def main() -> None:
        url, process = start_redis()
        now = [0.0]
        counters = RedisCounters(url.replace("//", "//:secret-password@"), clock=lambda: now[0])
        process.kill()
        process.wait()
        with capture_logs() as logs:
            assert (await counters.take("k", 3, 5)).taken
            assert not (await counters.take("k", 3, 5)).taken
            assert await counters.hold("k", "a", 1)
            assert not await counters.hold("k", "b", 1)
            await counters.renew([("k", "a")])
            now[0] += 6  # tried again, and still gone
            await counters.release("k", "a")
            assert await counters.hold("k", "b", 1)
        assert [line["event"] for line in logs] == ["redis_lost"]
        assert "secret-password" not in repr(logs)
        await counters.close()

    asyncio.run(main())


def test_a_redis_that_comes_back_counts_again() -> None:
    async def main() -> None:
        now = [0.0]
        counters = RedisCounters("redis://127.0.0.1:1/0", clock=lambda: now[0])
        with capture_logs() as logs:
            await counters.take("k", 1, 5)
            counters._take = _answers  # type: ignore[assignment]
            await counters.take("k", 1, 5)  # not tried yet
            now[0] += 6
            assert (await counters.take("k", 1, 5)).used == 4.5
        assert [line["event"] for line in logs] == ["redis_lost", "redis_back"]
        await counters.close()

    async def _answers(*_: object) -> tuple[int, bytes]:
        return 1, b"4.5"

    asyncio.run(main())


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError, match="redis_url") as error:
        RedisCounters("postgres://user:secret@host/0")
    assert "secret" not in str(error.value)
