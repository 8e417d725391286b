"""Open-loop load: arrivals, what callers see, and the highest rate that holds. The server is a small real one."""

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.bench.openloop.arms import ServiceArm
from rag.bench.openloop.arrivals import Arrival, poisson, recorded
from rag.bench.openloop.run import Level, Limits, highest_rate, send
from rag.errors import ConfigError

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
SHED = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
REUSE = {"prompt_tokens": 100, "cached_tokens": 80}


def event(content: str, **more: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": content}}], **more}).encode() + b"\n\n"


WHOLE = (event("a"), event("b"), event("", rag={"reuse": REUSE}), b"data: [DONE]\n\n")
Answer = Callable[[int], tuple[bytes, ...]]  # to the how manieth request; what is written


def load(answer: Answer, arrivals: list[Arrival], limits: Limits) -> Level:
    """What `send` finds of a server that answers so."""

    async def run() -> Level:
        n_asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal n_asked
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            n_asked += 1
            writer.writelines(answer(n_asked))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            arm = ServiceArm(url=f"http://127.0.0.1:{port}/v1/x", headers={}, model="m", questions=["q1", "q2"])
            return await send(arm, arrivals, limits)

    return asyncio.run(run())


SLOW = Limits(first_ms=60_000, between_ms=60_000)
FOUR = [Arrival(at_s=0.01 * number, answer_tokens=4) for number in range(4)]


def test_random_arrivals_come_at_their_rate_and_are_the_same_each_time() -> None:
    arrivals = poisson(50, seconds=20, answer_tokens=7)

    assert len(arrivals) == pytest.approx(1000, rel=0.1)
    assert arrivals == poisson(50, seconds=20, answer_tokens=7)
    assert all(0 <= each.at_s < 20 and each.answer_tokens == 7 for each in arrivals)


@pytest.mark.parametrize("names", [("t_ms", "output_tokens"), ("timestamp", "output_length")])
def test_a_trace_keeps_its_gaps_and_is_stretched_to_the_rate(tmp_path: Path, names: tuple[str, str]) -> None:
    file = tmp_path / "trace.jsonl.gz"
    lines = [(0, 5), (100, 900), (100, 1), (400, 30), (1000, 8)]
    file.write_bytes(
        gzip.compress("\n".join(json.dumps(dict(zip(names, each, strict=True))) for each in lines).encode())
    )
    arrivals = recorded(file, 2, seconds=10, answer_tokens=64)

    assert [each.at_s for each in arrivals] == pytest.approx([0, 0.2, 0.2, 0.8, 2.0])
    assert [each.answer_tokens for each in arrivals] == [5, 64, 1, 30, 8]


@pytest.mark.parametrize("text", ["", "nonsense", '{"t_ms": 1}', '{"t_ms": 1, "output_tokens": 3}', "[]"])
def test_what_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.jsonl").write_text(text)

    with pytest.raises(ConfigError, match="trace"):
        recorded(tmp_path / "trace.jsonl", 2, seconds=10, answer_tokens=64)


def test_answers_are_seen_whole_with_what_was_reused() -> None:
    level = load(lambda _: (SSE, *WHOLE), FOUR, SLOW)

    assert (level.n_sent, level.n_whole, level.n_shed, level.n_failed, level.within) == (4, 4, 0, 0, 1.0)
    assert level.cached_share == pytest.approx(0.8)
    assert level.first_p50_ms is not None
    assert level.holds(SLOW)


def test_refused_answers_are_no_failures_and_broken_ones_are() -> None:
    answers = {
        1: (SSE, *WHOLE),
        2: (SHED,),
        3: (SSE, event("a")),
        4: (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",),
    }
    level = load(lambda number: answers[number], FOUR, SLOW)

    assert (level.n_whole, level.n_shed, level.n_failed) == (1, 1, 2)
    assert level.within == pytest.approx(1 / 3)
    assert not level.holds(SLOW)


def test_an_answer_that_comes_too_late_does_not_count() -> None:
    level = load(lambda _: (SSE, *WHOLE), FOUR, Limits(first_ms=0.001))

    assert (level.n_whole, level.within) == (4, 0.0)


@pytest.mark.parametrize(("holds_up_to", "found"), [(11.0, 11.0), (3.0, 3.0), (0.9, 0.9), (0.1, None)])
def test_the_highest_rate_is_found(monkeypatch: pytest.MonkeyPatch, holds_up_to: float, found: float | None) -> None:
    """With a stand-in for sending: the search is what is tested."""

    async def pretend(arm: object, arrivals: list[float], limits: Limits) -> Level:
        (rate,) = arrivals
        return level_that(holds=rate <= holds_up_to)

    monkeypatch.setattr("rag.bench.openloop.run.send", pretend)
    tried: list[Level] = []
    highest = asyncio.run(highest_rate(None, lambda rate: [rate], Limits(), first=4.0, report=tried.append))

    assert highest == (None if found is None else pytest.approx(found, rel=0.07))
    assert 0 < len(tried) < 14


def level_that(*, holds: bool) -> Level:
    return Level(
        arm="a", rate=1.0, n_sent=10, n_whole=10, n_shed=0, n_failed=0, within=1.0 if holds else 0.5, first_p50_ms=1,
        first_p95_ms=1, first_p99_ms=1, between_p95_ms=1, shed_p99_ms=None, cached_share=None,
    )  # fmt: skip
