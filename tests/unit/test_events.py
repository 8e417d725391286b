"""The subscription to KV events, against a publisher that speaks vLLM's format over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import zmq
import zmq.asyncio

from rag.engine import EventAddresses, KvEvents, VllmEngine, running_slots
from rag.engine.wire import REPORT_SESSION
from rag.errors import ConfigError
from rag.plan import Held, Mirror, block_chain
from rag.settings import EngineSettings

SIZE = 4
END = (-1).to_bytes(8, "big", signed=True)


def tokens_of(number: int) -> list[int]:
    return list(range(number * 10, number * 10 + SIZE))


def chain_of(number: int, salt: str = "s") -> tuple[bytes, ...]:
    return block_chain(tokens_of(number), SIZE, salt)


def stored(number: int, *, salt: str = "s", **others: object) -> dict[str, object]:
    """One block that begins a prompt, as vLLM 0.32 sends it."""
    event = {
        "type": "BlockStored",
        "block_hashes": [number],
        "parent_block_hash": None,
        "token_ids": tokens_of(number),
        "block_size": SIZE,
        "lora_id": None,
        "medium": "GPU",
        "lora_name": None,
        "extra_keys": [[salt]],
        "group_idx": 0,
    }
    return event | others


class Publisher:
    """What vLLM does: PUB and ROUTER, batches numbered from 0, the last `n_kept` of them repeated on request."""

    def __init__(self, folder: Path, *, n_kept: int = 100, time_s: float = 1000.0) -> None:
        self.addresses = EventAddresses(events=f"ipc://{folder}/events", replay=f"ipc://{folder}/replay")
        self.sent: list[bytes] = []
        self.n_asked = 0
        self._n_kept, self._time_s = n_kept, time_s
        self._context = zmq.asyncio.Context()
        self._pub = self._context.socket(zmq.XPUB)  # PUB that says when somebody has subscribed
        self._router = self._context.socket(zmq.ROUTER)
        self._pub.bind(self.addresses.events)
        self._router.bind(self.addresses.replay)
        self._task = asyncio.create_task(self._repeat())

    async def subscribed(self) -> None:
        await self._pub.recv()

    async def publish(self, *events: object, is_lost: bool = False) -> None:
        seq = len(self.sent)
        self.sent.append(msgspec.msgpack.encode([self._time_s + seq, events, 0]))
        if not is_lost:
            await self.send(b"", seq.to_bytes(8, "big"), self.sent[-1])

    async def send(self, *frames: bytes) -> None:
        await self._pub.send_multipart(frames)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._context.destroy(linger=0)

    async def _repeat(self) -> None:
        while True:
            client, _, start = await self._router.recv_multipart()
            self.n_asked += 1
            for seq, payload in list(enumerate(self.sent))[-self._n_kept :]:
                if seq >= int.from_bytes(start, "big"):
                    await self._router.send_multipart([client, b"", b"", seq.to_bytes(8, "big"), payload])
            await self._router.send_multipart([client, b"", b"", END, b""])


@asynccontextmanager
async def following(publisher: Publisher, *, replay: bool = True) -> AsyncIterator[tuple[KvEvents, Held]]:
    """A subscription to `publisher` that has been made, and its mirror."""
    addresses = publisher.addresses if replay else EventAddresses(events=publisher.addresses.events)
    events, held = KvEvents(addresses), Held(100)
    await events.start(held)
    try:
        await publisher.subscribed()
        yield events, held
    finally:
        await events.stop()
        await publisher.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the mirror is a value and has no event
            await asyncio.sleep(0.005)


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())


def test_it_is_live_at_an_engine_that_has_said_nothing_yet(tmp_path: Path) -> None:
    async def check() -> None:
        async with following(Publisher(tmp_path)) as (events, held):
            await until(lambda: held.is_live)
            assert (events.n_gaps, events.n_replays) == (0, 1)

    run(check)


def test_events_of_both_formats_are_read(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            old = ["BlockStored", [b"two"], None, tokens_of(2), SIZE, None, "GPU", None, [["s"]]]
            oldest = ["BlockStored", [3], b"two", tokens_of(3), SIZE, None]
            unsalted = stored(4, extra_keys=None, session_id="someone's", a_new_field={"x": 1})
            await publisher.publish(stored(1), old, oldest, unsalted, {"type": "SomethingNew", "n": 1})
            await until(lambda: len(held) == 4)
            assert held.match(chain_of(1)) == held.match(chain_of(2)) == held.match(chain_of(4, "")) == 1
            assert held.match(block_chain(tokens_of(2) + tokens_of(3), SIZE, "s")) == 2
            assert held.match(chain_of(1, "other")) == 0
            await publisher.publish(
                ["BlockRemoved", [3]], {"type": "BlockRemoved", "block_hashes": [1], "medium": "GPU"}
            )
            await until(lambda: len(held) == 2)
            await publisher.publish(["AllBlocksCleared"])
            await until(lambda: held.is_live and len(held) == 0)

    run(check)


@pytest.mark.parametrize(
    "others",
    [
        {"medium": "CPU"},
        {"group_idx": 1},
        {"lora_id": 1, "lora_name": "x", "extra_keys": [["x", "s"]]},
        {"extra_keys": [[["image", 0], "s"]]},
        {"extra_keys": [[["image", 0]]]},
        {"token_ids": [1, 2, 3]},
        {"block_hashes": []},
    ],
)
def test_blocks_that_no_prompt_of_ours_can_hit_are_left_out(tmp_path: Path, others: dict[str, object]) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            await publisher.publish(stored(1, **others), stored(2))
            await until(lambda: held.is_live and held.holds(chain_of(2)[0]))
            assert len(held) == 1

    run(check)


def test_a_batch_may_be_a_map(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            await until(lambda: held.is_live)
            publisher.sent.append(msgspec.msgpack.encode({"ts": 1000.0, "events": [stored(1)], "new": 1}))
            await publisher.send(b"topic", (0).to_bytes(8, "big"), publisher.sent[0])
            await until(lambda: held.is_live and held.holds(chain_of(1)[0]))

    run(check)


def test_an_announcement_is_no_second_copy(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            removed = {"type": "BlockRemoved", "block_hashes": [1], "medium": "GPU"}
            await publisher.publish(stored(1), stored(1, session_id=REPORT_SESSION), stored(2))
            await publisher.publish(removed)
            await until(lambda: not held.holds(chain_of(1)[0]) and held.holds(chain_of(2)[0]))

    run(check)


def test_a_gap_is_closed_by_a_replay(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (events, held):
            await until(lambda: held.is_live)
            await publisher.publish(stored(0))
            for number in range(1, 5):
                await publisher.publish(stored(number), is_lost=True)
            await publisher.publish(stored(5))
            await until(lambda: held.is_live and len(held) == 6)
            assert (events.n_gaps, publisher.n_asked) == (1, 2)

    run(check)


def test_one_that_comes_late_learns_what_was_said_before(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        for number in range(30):
            await publisher.publish(stored(number))
        async with following(publisher) as (events, held):
            await until(lambda: len(held) == 30)
            await until(lambda: held.is_live)
            assert events.n_gaps == 0

    run(check)


def test_a_replay_that_is_too_short_is_admitted_and_proven_anew(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path, n_kept=2)
        async with following(publisher) as (events, held):
            await publisher.publish(stored(0))
            await until(lambda: held.is_live and len(held) == 1)
            for number in range(1, 6):
                await publisher.publish(stored(number), is_lost=True)
            await publisher.publish(stored(6))
            await until(lambda: len(held) == 3)  # with the two that were kept
            assert (held.state, events.n_gaps) == (Mirror.RECENCY, 1)
            assert held.must_report(chain_of(0))
            for _ in range(20):
                held.observe(chain_of(0), 1, n_predicted_blocks=1)
            assert held.is_live

    run(check)


def test_without_a_replay_a_gap_stays(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher, replay=False) as (events, held):
            await publisher.publish(stored(0))
            await until(lambda: held.is_live)
            await publisher.publish(stored(1), is_lost=True)
            await publisher.publish(stored(2))
            await until(lambda: len(held) == 2)
            assert (held.state, events.n_gaps, events.n_replays) == (Mirror.RECENCY, 1, 0)

    run(check)


@pytest.mark.parametrize("n_before", [1, 3, 9])
def test_an_engine_that_began_anew_is_noticed(tmp_path: Path, n_before: int) -> None:
    """Whether it has published fewer batches since than before, as many, or more."""

    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            for number in range(n_before):
                await publisher.publish(stored(number))
            await until(lambda: len(held) == n_before)
            await publisher.close()
            again = Publisher(tmp_path, time_s=2000.0)
            try:
                for number in range(20, 25):
                    await again.publish(stored(number), is_lost=True)
                await again.subscribed()
                await again.publish(stored(25))
                await until(lambda: held.is_live and held.holds(chain_of(25)[0]))
                assert len(held) == 6
            finally:
                await again.close()

    run(check)


def test_garbage_ends_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        publisher = Publisher(tmp_path)
        async with following(publisher) as (_, held):
            await publisher.publish(stored(0))
            for frames in ([b""], [b"x", b"y"], [b"", b"short", b""], [b"", (7).to_bytes(8, "big"), b"\xc1"]):
                await publisher.send(*frames)
            await publisher.publish(stored(1))
            await until(lambda: held.is_live and len(held) == 2)
            await publisher.publish({"type": "BlockStored", "block_hashes": "none"})  # in its place, but unreadable
            await until(lambda: not held.is_live)
            await publisher.publish(stored(2))
            await until(lambda: len(held) == 3)

    run(check)


@pytest.mark.parametrize(
    ("address", "may_come"), [("no address", False), ("ipc:///nobody/is/there", True), ("tcp://127.0.0.1:1", True)]
)
def test_where_nobody_publishes_there_are_no_events(address: str, may_come: bool) -> None:
    async def check() -> None:
        events, held = KvEvents(EventAddresses(events=address)), Held(100)
        await events.start(held)
        for _ in range(10):  # the subscription takes one turn to find out
            await asyncio.sleep(0)
        assert held.must_report(chain_of(0)) == may_come
        await events.stop()
        assert held.state is Mirror.RECENCY

    run(check)


def test_addresses_go_to_their_engines_in_order() -> None:
    urls = ("http://a:1", "http://b:1")
    slots = running_slots(EngineSettings(urls=urls, kv_events=("tcp://a:2", "tcp://b:2")))
    assert [type(slot.engine) for slot in slots] == [VllmEngine] * 2
    assert all(slot.events for slot in slots)
    assert not any(slot.events for slot in running_slots(EngineSettings(urls=urls)))
    for settings in (
        EngineSettings(urls=urls, kv_events=("tcp://a:2",)),
        EngineSettings(urls=urls, kv_replay=("tcp://a:3", "tcp://b:3")),
    ):
        with pytest.raises(ConfigError, match=r"engine\.kv_"):
            running_slots(settings)
