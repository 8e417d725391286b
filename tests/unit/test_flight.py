"""Single flight: who waits for whom."""

import asyncio

from rag.engine import EnginePool, FakeEngine, Slot
from rag.engine.flight import Flights
from rag.plan import block_chain
from rag.types import Prompt, Sampling

PREFIX = list(range(100, 164))


def missing(*tail: int) -> tuple[bytes, ...]:
    return block_chain([*PREFIX, *tail], 16, "salt")


def test_the_second_request_for_a_prefix_waits_until_the_first_has_it() -> None:
    flights = Flights()
    first, second = missing(*range(16)), missing(*range(50, 66))
    assert flights.shared(first) is None
    flight = flights.start(first, 1)
    assert flights.shared(second) is flight
    flights.land(flight)
    flights.land(flight)
    assert flight.landed.is_set()
    assert flights.shared(second) is None


def test_nobody_waits_for_work_that_is_mostly_not_theirs() -> None:
    flights = Flights()
    flights.start(missing(*range(16 * 9)), 1)
    assert flights.shared(missing(*range(50, 66))) is None


def test_nobody_waits_who_lacks_nothing() -> None:
    flights = Flights()
    flights.start(missing(), 1)
    assert flights.shared(()) is None


def test_two_flights_over_one_prefix_end_apart() -> None:
    flights = Flights()
    first = flights.start(missing(), 1)
    second = flights.start(missing(*range(16)), 1)  # it did not wait: only its own block is its own
    flights.land(second)
    assert flights.shared(missing(*range(50, 66))) is first
    flights.land(first)
    assert flights.shared(missing()) is None


def test_a_prefix_is_in_flight_before_the_engine_is_asked_for_it() -> None:
    prompt = Prompt(token_ids=(*range(1000, 3000),), segments=(), shown=(), layout="none")

    async def predicted(pool: EnginePool, *, after: asyncio.Event | None = None) -> int:
        async with pool.ticket(prompt, "s", wait_s=9) as ticket:
            if after:
                await after.wait()
            async for _ in pool.stream(ticket, Sampling(max_tokens=1), request_id="r"):
                pass
        return ticket.predicted_cached_tokens

    async def check() -> None:
        pool = EnginePool([Slot(engine=FakeEngine(lambda _: "yes", uncached_token_s=0.0005))])
        others_are_here = asyncio.Event()
        await pool.start()
        first = asyncio.create_task(predicted(pool, after=others_are_here))
        await asyncio.sleep(0)
        others = [asyncio.create_task(predicted(pool)) for _ in range(3)]
        await asyncio.sleep(0)
        others_are_here.set()
        assert await asyncio.gather(first, *others) == [0, 1984, 1984, 1984]
        assert (pool.slots[0].n_running, pool.slots[0].queue_ms) == (0, 0)

    asyncio.run(check())


def test_who_leaves_without_asking_the_engine_lets_the_others_go_on() -> None:
    prompt = Prompt(token_ids=(*range(1000, 1100),), segments=(), shown=(), layout="none")

    async def check() -> None:
        slot = Slot(engine=FakeEngine(lambda _: "yes"))
        pool = EnginePool([slot])
        await pool.start()
        async with pool.ticket(prompt, "s", wait_s=9) as ticket:
            assert slot.flights.shared(ticket.missing) is ticket.flight
        assert slot.flights.shared(ticket.missing) is None
        assert (slot.n_running, slot.queue_ms) == (0, 0)

    asyncio.run(check())
