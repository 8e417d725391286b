"""Engines that die, hang, are slow or talk nonsense, and the requests that they had: real HTTP over loopback."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import uvicorn

from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot, State, VllmEngine, running_slots
from rag.engine.fake_server import FakeServer, Fault
from rag.errors import ConfigError, EngineError, EngineUnavailable, InvalidRequest
from rag.settings import EngineSettings
from rag.types import Prompt, Sampling

WITHIN_S = 60
SOON = {"probe_s": 0.1, "probe_timeout_s": 2.0, "silence_s": 0.5}


class Quiet(uvicorn.Server):
    """One that leaves signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """A fake server on a port of its own, which can be stopped and started again there."""

    def __init__(self, engine: FakeEngine) -> None:
        self.fake = FakeServer(engine)
        self.engine = engine
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = uvicorn.Config(self.fake.app, host="127.0.0.1", port=self.port, log_config=None, lifespan="off")
        self._server = Quiet(config)
        self._task = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started)

    async def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        for protocol in list(self._server.server_state.connections):
            protocol.transport.abort()
        await self._task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def two_engines(**settings: object) -> AsyncIterator[tuple[EnginePool, Served, Served]]:
    """A pool over two servers, both ready."""
    served = [Served(FakeEngine(lambda _: "one two three " * 20, token_s=0.01)) for _ in range(2)]
    for each in served:
        await each.start()
    own = EngineSettings(urls=tuple(each.url for each in served), **{**SOON, **settings})  # type: ignore[arg-type]
    pool = EnginePool(running_slots(own), own)
    try:
        await pool.start()
        yield pool, *served
    finally:
        await pool.close()
        for each in served:
            each.fake.fault = Fault.NONE
            await each.stop()


async def ask(
    pool: EnginePool,
    number: int = 0,
    *,
    slot: Slot | None = None,
    max_tokens: int = 4,
    on_token: Callable[[int], Awaitable[None]] | None = None,
) -> str:
    """Where a request was answered."""
    prompt = Prompt(token_ids=tuple(range(number, number + 40)), segments=(), shown=(), layout="none")
    async with pool.ticket(prompt, "s", wait_s=WITHIN_S, slot=slot) as ticket:
        n_tokens = 0
        async for delta in pool.stream(ticket, Sampling(max_tokens=max_tokens), request_id="r"):
            n_tokens += len(delta.token_ids)
            if on_token:
                await on_token(n_tokens)
        assert n_tokens == max_tokens
        return ticket.slot.engine.url


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())


FAULTS = [Fault.SILENT, Fault.GARBAGE, Fault.BROKEN, Fault.BUSY, Fault.SICK]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_an_engine_fails_is_answered_by_the_other(fault: Fault) -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, good):
            bad.fake.fault = fault
            first = pool.slots[0]
            assert [await ask(pool, number, slot=first) for number in range(5)] == [good.url] * 5
            assert all(not slot.n_running and not slot.queue_ms for slot in pool.slots)

    run(check)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.GARBAGE, Fault.BROKEN, Fault.SICK])
def test_an_engine_that_fails_is_taken_out_and_comes_back(fault: Fault) -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, good):
            first = pool.slots[0]
            bad.fake.fault = fault
            for number in range(5):
                await ask(pool, number, slot=first)
            await until(lambda: first.info is None)
            assert first.state is State.DOWN
            assert first.reason
            assert {await ask(pool, number) for number in range(100, 110)} == {good.url}
            bad.fake.fault = Fault.NONE
            await until(lambda: first.is_ready)
            assert first.reason == ""
            assert await ask(pool, 200, slot=first) == bad.url

    run(check)


def test_an_engine_that_says_it_is_not_well_is_taken_out_without_a_request() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, _):
            bad.fake.fault = Fault.SICK
            await until(lambda: pool.slots[0].info is None)
            assert "/health" in pool.slots[0].reason

    run(check)


def test_one_that_is_full_stays_in() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, good):
            bad.fake.fault = Fault.BUSY
            assert [await ask(pool, number, slot=pool.slots[0]) for number in range(5)] == [good.url] * 5
            assert pool.slots[0].is_ready

    run(check)


def test_a_request_is_tried_at_two_engines_and_no_more() -> None:
    async def check() -> None:
        async with two_engines(probe_s=WITHIN_S) as (pool, bad, worse):
            bad.fake.fault = worse.fake.fault = Fault.BROKEN
            n_before = len(bad.fake.sessions) + len(worse.fake.sessions)
            with pytest.raises(EngineError, match="Told to fail"):
                await ask(pool)
            assert len(bad.fake.sessions) + len(worse.fake.sessions) == n_before + 2

    run(check)


def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, good):
            n_before = len(good.fake.sessions)

            async def die(n_tokens: int) -> None:
                if n_tokens == 2:
                    await bad.stop()

            with pytest.raises(EngineUnavailable):
                await ask(pool, slot=pool.slots[0], max_tokens=50, on_token=die)
            assert len(good.fake.sessions) == n_before
            assert await ask(pool, 1, slot=pool.slots[0]) == good.url
            await bad.start()
            await until(lambda: pool.slots[0].is_ready)

    run(check)


def test_a_stream_at_an_engine_that_hangs_ends_and_says_why() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, _):

            async def hang(n_tokens: int) -> None:
                if n_tokens == 2:
                    bad.fake.fault = Fault.SILENT

            with pytest.raises(EngineUnavailable, match="gave nobody a token"):
                await ask(pool, slot=pool.slots[0], max_tokens=50, on_token=hang)

    run(check)


def test_many_requests_at_an_engine_that_dies_are_all_answered() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, good):
            bad.fake.fault = Fault.SILENT  # none of its requests has a token yet
            first = pool.slots[0]
            asked = [asyncio.create_task(ask(pool, number, slot=first)) for number in range(0, 2000, 50)]
            await until(lambda: first.n_running)
            await bad.stop()
            assert set(await asyncio.gather(*asked)) == {good.url}
            await bad.start()

    run(check)


def test_slow_is_not_dead() -> None:
    async def check() -> None:
        async with two_engines(silence_s=0.05, probe_s=0.05) as (pool, slow, _):
            slow.engine._token_s = 0.3
            assert await ask(pool, slot=pool.slots[0], max_tokens=4) == slow.url

    run(check)


def test_a_pool_starts_with_the_engines_that_are_there_and_takes_the_others_later() -> None:
    async def check() -> None:
        here, late = (Served(FakeEngine(lambda _: "one two three")) for _ in range(2))
        await here.start()
        settings = EngineSettings(urls=(late.url, here.url), **SOON)
        pool = EnginePool(running_slots(settings), settings)
        assert (await pool.start()).model == "fake"
        assert [slot.is_ready for slot in pool.slots] == [False, True]
        assert "not reachable" in pool.slots[0].reason
        assert await ask(pool) == here.url
        await late.start()
        await until(lambda: pool.slots[0].is_ready)
        await pool.close()
        await late.stop()
        await here.stop()

    run(check)


def test_what_is_shared_is_computed_before_an_engine_is_asked_again() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, _):
            first, seen = pool.slots[0], list[tuple[Slot, bool]]()

            async def warm(slot: Slot) -> None:
                seen.append((slot, slot.is_ready))
                assert slot.info
                prompt = Prompt(token_ids=tuple(range(40)), segments=(), shown=(), layout="none")
                async with pool.ticket(prompt, "warm", wait_s=0, slot=slot, is_fixed=True) as ticket:
                    assert [each async for each in pool.stream(ticket, Sampling(max_tokens=1), request_id="warm")]
                    assert ticket.slot is slot

            pool.warmer = warm
            await bad.stop()
            await until(lambda: first.info is None)
            await bad.start()
            await until(lambda: first.is_ready)
            assert seen == [(first, False)]
            assert "warm" in bad.engine.salts

    run(check)


def test_nobody_waits_longer_than_asked_for_an_engine_that_does_not_come() -> None:
    async def check() -> None:
        async with two_engines() as (pool, bad, worse):
            bad.fake.fault = worse.fake.fault = Fault.SICK
            await until(lambda: not pool.ready())
            prompt = Prompt(token_ids=(1, 2, 3), segments=(), shown=(), layout="none")
            with pytest.raises(EngineUnavailable, match=r"within 0\.1 s"):
                async with pool.ticket(prompt, "s", wait_s=0.1):
                    pass

    run(check)


def test_engines_of_two_models_are_refused() -> None:
    async def check() -> None:
        info = EngineInfo(model="other", source="other", window_tokens=4096, block_size=16, kv_tokens=None)
        served = [Served(FakeEngine(lambda _: "yes")), Served(FakeEngine(lambda _: "yes", info=info))]
        for each in served:
            await each.start()
        pool = EnginePool(running_slots(EngineSettings(urls=tuple(each.url for each in served))))
        with pytest.raises(ConfigError, match="different models"):
            await pool.start()
        await pool.close()
        for each in served:
            await each.stop()

    run(check)


def test_the_server_of_a_fake_engine_ends_a_request_whose_client_leaves() -> None:
    async def check() -> None:
        served = Served(FakeEngine(lambda _: "many words " * 40, token_s=0.01))
        await served.start()
        engine = VllmEngine(served.url)
        await engine.info()
        stream = engine.stream((1, 2, 3), Sampling(max_tokens=100), salt="s", request_id="r", session="a")
        assert (await anext(stream)).text
        await stream.aclose()
        await until(lambda: served.engine.n_cancelled == 1)
        assert served.fake.sessions[-1] == "a"
        await engine.close()
        await served.stop()

    run(check)


def test_a_request_that_is_wrong_is_not_tried_again_and_costs_no_engine_its_place() -> None:
    class Strict(FakeEngine):
        async def stream(self, token_ids, sampling, **options):
            if token_ids[0] == 666:
                raise InvalidRequest("No.")
            async for delta in super().stream(token_ids, sampling, **options):
                yield delta

    async def check() -> None:
        pool = EnginePool([Slot(engine=Strict(lambda _: "yes")), Slot(engine=FakeEngine(lambda _: "yes"))])
        await pool.start()
        for _ in range(5):
            with pytest.raises(InvalidRequest):
                await ask(pool, 666, slot=pool.slots[0])
        assert pool.slots[0].is_ready
        await pool.close()

    run(check)


def test_a_server_that_is_killed_leaves_its_requests_to_the_other() -> None:
    async def check() -> None:
        other = Served(FakeEngine(lambda _: "yes " * 20))
        await other.start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "rag.engine.fake_server", "--port", str(port), "--token-ms", "50"]
        process = await asyncio.create_subprocess_exec(*command)
        settings = EngineSettings(urls=(f"http://127.0.0.1:{port}", other.url), **SOON)
        pool = EnginePool(running_slots(settings), settings)
        try:
            await pool.start()
            await until(lambda: pool.slots[0].is_ready)
            asked = [asyncio.create_task(ask(pool, number, slot=pool.slots[0])) for number in range(0, 400, 50)]
            await until(lambda: pool.slots[0].n_running)
            process.kill()
            answers = await asyncio.gather(*asked, return_exceptions=True)
            # Those that had a token by then end with an error, the others are answered elsewhere.
            assert all(each == other.url or isinstance(each, EngineUnavailable) for each in answers), answers
            assert await ask(pool, 1000) == other.url
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await pool.close()
            await other.stop()

    run(check)
