"""Who is taken, in which order, and who is told at once to come back later."""

import asyncio
import math
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.admission import Claim, Gate, Need
from rag.admission.pace import Pace
from rag.admission.queue import FairQueue
from rag.errors import EngineTimeout, Overloaded
from rag.telemetry import Metrics
from rag.types import Priority

claims = st.builds(Claim, key=st.sampled_from("abc"), priority=st.sampled_from(Priority), n_tokens=st.integers(1, 5000))


def order(queue: FairQueue, n: int) -> list:
    return [queue.pop()[1] for _ in range(n)]


def filled(*waiting: tuple[Claim, object]) -> FairQueue:
    queue: FairQueue = FairQueue()
    for claim, item in waiting:
        queue.push(claim, item)
    return queue


@given(st.lists(st.tuples(claims, st.booleans()), max_size=60))
def test_everybody_who_waits_is_served_once(steps: list[tuple[Claim, bool]]) -> None:
    queue: FairQueue = FairQueue()
    served = []
    for number, (claim, is_pop) in enumerate(steps):
        queue.push(claim, number)
        if is_pop:
            served.append(queue.pop()[1])
    served += order(queue, len(queue))

    assert sorted(served) == list(range(len(steps)))
    with pytest.raises(IndexError):
        queue.pop()


def test_requests_of_a_key_that_are_alike_keep_their_order() -> None:
    queue = filled(*((Claim(n_tokens=10), number) for number in range(20)))

    assert order(queue, 20) == list(range(20))


def test_a_key_with_many_requests_does_not_keep_others_waiting() -> None:
    queue = filled(
        *((Claim(key="many", n_tokens=100), "many") for _ in range(50)),
        *((Claim(key="few", n_tokens=100), "few") for _ in range(3)),
    )

    assert Counter(order(queue, 6)) == {"many": 3, "few": 3}


def test_keys_get_the_same_work_and_not_the_same_number_of_requests() -> None:
    queue = filled(
        *((Claim(key="long", n_tokens=900), "long") for _ in range(50)),
        *((Claim(key="short", n_tokens=100), "short") for _ in range(50)),
    )

    counts = Counter(order(queue, 20))
    assert counts["short"] == pytest.approx(9 * counts["long"], abs=9)


def test_short_requests_pass_long_ones_and_do_not_starve_them() -> None:
    queue = filled((Claim(n_tokens=1000), "long"))
    served = []
    for _ in range(100):
        queue.push(Claim(n_tokens=100), "short")
        served.append(queue.pop()[1])

    assert 20 < served.index("long") < 60


def test_who_comes_back_has_saved_nothing_up() -> None:
    queue = filled(*((Claim(key="busy", n_tokens=100), "busy") for _ in range(30)))
    queue.push(Claim(key="back", n_tokens=100), "back")
    order(queue, 20)
    for _ in range(10):
        queue.push(Claim(key="back", n_tokens=100), "back")

    assert Counter(order(queue, 10))["busy"] == 5


def test_priority_is_a_larger_share() -> None:
    queue = filled(
        *((Claim(key="batch", priority=Priority.LOW, n_tokens=100), "low") for _ in range(200)),
        *((Claim(key="chat", n_tokens=100), "normal") for _ in range(200)),
        *((Claim(key="chat", priority=Priority.HIGH, n_tokens=100), "high") for _ in range(200)),
    )

    counts = Counter(order(queue, 146))
    assert counts["high"] / counts["normal"] == pytest.approx(8, rel=0.1)
    assert counts["low"] in {1, 2, 3}


@given(st.lists(claims, max_size=30), claims)
def test_work_before_a_request_is_what_is_served_before_it(waiting: list[Claim], last: Claim) -> None:
    queue = filled(*((claim, claim) for claim in waiting))
    foretold = queue.tokens_before(last)
    queue.push(last, None)
    before = 0
    while (item := queue.pop()[1]) is not None:
        before += item.n_tokens

    assert foretold == before


def test_who_leaves_is_not_served() -> None:
    items = [object() for _ in range(5)]
    queue = filled(*((Claim(n_tokens=10), item) for item in items))
    queue.remove(items[0])
    queue.remove(items[3])

    assert order(queue, len(queue)) == [items[1], items[2], items[4]]


def test_waits_follow_from_the_work_done_while_others_waited() -> None:
    pace = Pace()
    assert pace.wait_s(10_000) == 0
    for second in range(10):
        pace.done(float(second), 500, is_busy=True)

    assert pace.wait_s(10_000) == pytest.approx(21)
    pace.done(100.0, 500, is_busy=False)  # it was idle: this time was not all work
    assert pace.wait_s(10_000) == pytest.approx(21)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def gate(clock: Clock, **options) -> Gate:
    return Gate(
        **{"max_concurrent": 1, "max_queue": 8, "objective_s": 10, "metrics": Metrics(), "clock": clock} | options
    )


async def served(gate: Gate, clock: Clock, claim: Claim, took_s: float) -> None:
    async with gate.place(claim, wait_s=60) as place:
        place.answered(0.5, 50)
        await asyncio.sleep(0)
        clock.now += took_s


def test_what_would_come_too_late_is_told_so_at_once() -> None:
    async def run() -> None:
        clock = Clock()
        door = gate(clock)
        claim = Claim(n_tokens=100)
        await asyncio.gather(*(served(door, clock, claim, 2.0) for _ in range(6)))  # 50 tokens a second
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(door.place(claim, wait_s=60))
            waiting = [asyncio.create_task(served(door, clock, claim, 2.0)) for _ in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match=r"in about 10\.5 s.*promises 10 s") as caught:
                await served(door, clock, claim, 2.0)  # 4 before it, and one that has to leave, each 2 s
            assert caught.value.retry_after_s == 1
            await_low = asyncio.create_task(served(door, clock, Claim(n_tokens=100, priority=Priority.LOW), 2.0))
            await asyncio.sleep(0)
            assert not await_low.done()  # a batch waits as long as it must
        await asyncio.gather(*waiting, await_low)

    asyncio.run(run())


def test_a_full_queue_is_refused() -> None:
    async def run() -> None:
        clock = Clock()
        door = gate(clock, max_queue=2)
        async with door.place(Claim(), wait_s=60):
            waiting = [asyncio.create_task(served(door, clock, Claim(), 0)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="2 requests wait already"):
                await served(door, clock, Claim(), 0)
        await asyncio.gather(*waiting)

    asyncio.run(run())


def test_who_stops_waiting_leaves_its_place_to_the_next() -> None:
    async def run() -> None:
        clock = Clock()
        door = gate(clock)
        async with door.place(Claim(), wait_s=60):
            gone = asyncio.create_task(served(door, clock, Claim(), 0))
            stays = asyncio.create_task(served(door, clock, Claim(), 0))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(EngineTimeout, match="No place"):
                async with door.place(Claim(), wait_s=0.01):
                    pass
        await stays
        assert gone.cancelled()
        async with asyncio.timeout(5), door.place(Claim(), wait_s=5):  # all places are free again
            pass

    asyncio.run(run())


def test_a_place_that_comes_as_its_request_is_cancelled_is_not_lost() -> None:
    async def run() -> None:
        door = gate(Clock())
        first = door.place(Claim(), wait_s=60)
        await first.__aenter__()
        waits = asyncio.create_task(served(door, Clock(), Claim(), 0))
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)  # the place is given ...
        waits.cancel()  # ... and its request cancelled before it could take it
        await asyncio.gather(waits, return_exceptions=True)
        async with asyncio.timeout(5), door.place(Claim(), wait_s=5):
            pass

    asyncio.run(run())


def need(n_tokens: int, kv_tokens: int | None = 1000) -> Need:
    return Need(n_prompt_tokens=n_tokens - 100, n_answers=1, answer_tokens=100, kv_tokens=kv_tokens)


def test_requests_wait_for_room_in_the_caches() -> None:
    async def run() -> None:
        door = gate(Clock(), max_concurrent=9)
        order_of_entry = []

        async def ask(name: str, n_tokens: int, kv_tokens: int | None = 1000) -> None:
            async with door.place(Claim(), wait_s=60) as place:
                await door.make_room(place, need(n_tokens, kv_tokens), wait_s=60)
                order_of_entry.append(name)
                await leave.wait()

        leave = asyncio.Event()
        names = {"a": 500, "b": 400, "c": 300, "d": 10}
        tasks = [asyncio.create_task(ask(name, n_tokens)) for name, n_tokens in names.items()]
        tasks.append(asyncio.create_task(ask("unknown", 10_000, None)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert order_of_entry == ["a", "b", "unknown"]  # the small one does not pass the one that came before
        leave.set()
        await asyncio.gather(*tasks)
        assert order_of_entry[3:] == ["c", "d"]

    asyncio.run(run())


def test_one_request_has_room_however_large_it_is() -> None:
    async def run() -> None:
        door = gate(Clock(), max_concurrent=2)
        async with door.place(Claim(), wait_s=1) as place:
            await door.make_room(place, need(5000), wait_s=1)
            async with door.place(Claim(), wait_s=1) as other:
                with pytest.raises(EngineTimeout, match="no room for 5000 tokens"):
                    await door.make_room(other, need(5000), wait_s=0.01)
        async with door.place(Claim(), wait_s=1) as place:
            await door.make_room(place, need(5000), wait_s=1)

    asyncio.run(run())


def test_answers_count_as_long_as_they_have_been() -> None:
    pace = Pace()
    assert pace.answer_tokens(1024) == 1024
    for n_tokens in (20, 30, 60, 40):
        pace.answered(0.1, n_tokens)

    assert pace.answer_tokens(1024) == 60
    assert pace.answer_tokens(50) == 50
    assert math.isclose(pace.first_s, 0.1)
