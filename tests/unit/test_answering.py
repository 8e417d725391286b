"""What the engine says and what a judge finds, merged: in order, once each, and nothing waits for the judge."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace

import pytest

from rag.answering import HOLD_S, Answering, Judging
from rag.ask import Ask, Piece, Unmetered
from rag.choices import ChoiceReader
from rag.cite import Statement
from rag.errors import EngineError
from rag.types import (
    Anchor,
    Chunk,
    ChunkId,
    Citation,
    CitationPolicy,
    Delta,
    Message,
    Placed,
    Sampling,
    Shown,
    Status,
    Usage,
)

TEXT = "The pump runs for 40 minutes on one charge."
CHUNK = Chunk(id=ChunkId("c1"), seq=1, document="a.md", title="A", anchor=Anchor(), start=0, end=len(TEXT), text=TEXT)
USAGE = Usage(prompt_tokens=1, completion_tokens=1, cached_tokens=0)
Step = Delta | float | Exception  # what the engine says, seconds that it is silent, or how it breaks


def citation(statement: Statement, number: int, status: Status) -> Citation:
    return Citation(
        marker=statement.marker,
        start=statement.start,
        end=statement.end,
        marker_start=statement.marker_start,
        marker_end=statement.marker_end,
        chunk=SHOWN[number - 1].chunk,
        status=status,
    )


def slow(seconds: float, log: list[str] | None = None, status: Status = Status.EXACT) -> Judging:
    def judge(statement: Statement) -> tuple[Citation, ...]:
        time.sleep(seconds)
        if log is not None:
            log.append(statement.text)
        return tuple(citation(statement, number, status) for number in statement.numbers)

    return judge


async def engine(steps: Sequence[Step]) -> AsyncGenerator[Delta, None]:
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step
        else:
            yield step


def said(*texts: str, choice: int = 0) -> list[Delta]:
    return [*(Delta(choice=choice, text=text) for text in texts), Delta(choice=choice, finish_reason="stop")]


SHOWN = tuple(
    Shown(number=number, chunk=replace(CHUNK, id=ChunkId(f"c{number}")), placed=Placed.TAIL, n_tokens=1)
    for number in (1, 2)
)
FLAG, DROP = CitationPolicy.FLAG, CitationPolicy.DROP


def make(judge: Judging, executor: ThreadPoolExecutor, n: int = 1, policy: CitationPolicy = FLAG) -> Answering:
    ask = Ask(messages=(Message("user", "?"),), meter=Unmetered(), request_id="r", sampling=Sampling(n=n))
    readers = [ChoiceReader(index, ask, SHOWN, policy=policy, parser=None) for index in range(n)]
    return Answering(readers, judge, executor)


Timed = list[tuple[float, int, str]]


def run(judge: Judging, steps: Sequence[Step], n: int = 1, policy: CitationPolicy = FLAG) -> tuple[Timed, Answering]:
    """Each piece with the seconds after which it came; a citation as its marker."""

    async def main() -> tuple[Timed, Answering]:
        began, pieces = time.perf_counter(), []
        with ThreadPoolExecutor(2) as executor:
            answering = make(judge, executor, n, policy)
            async with aclosing(engine(steps)) as deltas, aclosing(answering.events(deltas, None)) as events:
                async for piece in events:
                    assert isinstance(piece, Piece)
                    content = piece.content
                    word = content if isinstance(content, str) else f"<{getattr(content, 'marker', '?')}>"
                    pieces.append((time.perf_counter() - began, piece.choice, word))
        return pieces, answering

    return asyncio.run(main())


def test_text_flows_while_a_statement_is_judged() -> None:
    deltas = [*said("It runs [1]. ", "So ", "it ", "does ", "and ends."), Delta(usage=USAGE)]
    pieces, answering = run(slow(0.3), deltas)
    assert [word for _, _, word in pieces] == ["It runs", " [1]", ".", " So", " it", " does", " and ends.", "<[1]>"]
    assert pieces[-2][0] < 0.2
    assert pieces[-1][0] >= 0.3
    assert answering.usage == USAGE
    assert len(answering.judged_s) == 2  # the second has no marker
    assert min(answering.judged_s) >= 0.3


def test_a_citation_comes_although_the_engine_is_silent() -> None:
    pieces, _ = run(slow(0.05), [Delta(text="It runs [1]. So"), 0.6, *said(" long.")])
    assert [word for _, _, word in pieces] == ["It runs", " [1]", ". So", "<[1]>", " long."]
    assert pieces[3][0] < 0.4


def test_citations_come_once_each_in_the_order_of_their_choice() -> None:
    deltas = [Delta(choice=index % 3, text=f"Say {index} [{1 + index % 2}]. ") for index in range(30)]
    deltas += [Delta(choice=index, finish_reason="stop") for index in range(3)]
    pieces, answering = run(slow(0.001), deltas, n=3)
    for choice in range(3):
        cited = [word for _, index, word in pieces if index == choice and word.startswith("<")]
        assert cited == [f"<[{1 + index % 2}]>" for index in range(choice, 30, 3)]
        assert [f"<{one.marker}>" for one in answering._readers[choice].choice().citations] == cited


def test_an_engine_that_breaks_ends_it_after_all_that_was_said() -> None:
    log: list[str] = []
    with pytest.raises(EngineError, match="broke"):
        run(slow(0.05, log), [*(Delta(text=f"Say {index} [1]. ") for index in range(50)), EngineError("It broke.")])
    assert len(log) <= 1


def test_a_caller_that_leaves_ends_it_once_the_running_judgement_is_over() -> None:
    log: list[str] = []
    before = threading.active_count()

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            steps = [*(Delta(text=f"Say {index} [1]. ") for index in range(50)), 60.0]
            async with (
                aclosing(engine(steps)) as deltas,
                aclosing(make(slow(0.2, log), executor).events(deltas, None)) as events,
            ):
                await anext(events)
                await asyncio.sleep(0.05)
            assert len(log) == 1  # what it reads is not closed under it
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert threading.active_count() == before


def words(pieces: Timed) -> list[str]:
    return [word for _, _, word in pieces]


def test_what_may_be_a_marker_is_held_for_so_long_and_no_longer() -> None:
    steps = [Delta(text="It runs [9"), 3 * HOLD_S, Delta(text="9] so "), *said("[1].")]
    pieces, answering = run(slow(0), steps)
    assert words(pieces) == ["It runs", " [9", "9]", " so", " [1]", ".", "<[1]>"]
    assert HOLD_S <= pieces[1][0] < 2 * HOLD_S
    choice = answering._readers[0].choice()
    assert choice.text == "It runs [99] so [1]."
    assert [(one.marker, choice.text[one.start : one.end]) for one in choice.faults] == [("[99]", "[99]")]


def test_a_hold_is_over_in_time_although_the_engine_goes_on() -> None:
    steps: list[Step] = [Delta(text="It runs [")]
    for _ in range(7):
        steps += [HOLD_S / 4, Delta(text="1, ")]
    pieces, _ = run(slow(0), [*steps, *said("2")])
    assert HOLD_S <= pieces[1][0] < 1.7 * HOLD_S
    assert "".join(words(pieces)) == "It runs [" + "1, " * 7 + "2"


def test_no_text_is_lost_or_late_where_nothing_stalls() -> None:
    steps: list[Step] = []
    for char in "It runs [99] and [1], [2]. So":
        steps += [Delta(text=char), 0.002]
    pieces, answering = run(slow(0), [*steps, *said()])
    text = "It runs and [1], [2]. So"
    assert "".join(word for word in words(pieces) if word[0] != "<") == answering._readers[0].choice().text == text


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.EXACT, ["It runs", " [1]", "<[1]>", ". So it does."]),
        (Status.UNSUPPORTED, ["It runs", ". So it does."]),
    ],
)
def test_a_marker_waits_for_the_judge_where_it_may_be_dropped(status: Status, expected: list[str]) -> None:
    pieces, answering = run(slow(0.05, status=status), said("It runs [1]. So it does."), policy=DROP)
    assert words(pieces) == expected
    assert pieces[0][0] < 0.05 <= pieces[1][0]
    choice = answering._readers[0].choice()
    assert [one.status for one in choice.citations] == [status] * (status == Status.EXACT)
    assert len(choice.faults) == (status == Status.UNSUPPORTED)


def test_a_marker_that_is_judged_too_late_is_flagged_instead_of_dropped() -> None:
    steps = [Delta(text="It runs [1]. So "), HOLD_S / 2, *said("it does [2].")]
    pieces, answering = run(slow(2 * HOLD_S, status=Status.UNSUPPORTED), steps, policy=DROP)
    assert words(pieces) == ["It runs", " [1]", ". So", " it does", " [2]", ".", "<[1]>", "<[2]>"]
    assert HOLD_S <= pieces[1][0] < 1.7 * HOLD_S
    assert pieces[3][0] == pytest.approx(pieces[1][0], abs=0.05)  # it waited for the marker before it, and no longer
    assert pieces[4][0] < 2.2 * HOLD_S
    choice = answering._readers[0].choice()
    assert [one.status for one in choice.citations] == [Status.UNSUPPORTED] * 2
    assert len(choice.faults) == 2
