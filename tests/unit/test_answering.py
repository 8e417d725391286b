"""What the engine says and what a judge finds, merged: in order, once each, and nothing waits for the judge."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from rag.answering import Answering
from rag.ask import Ask, Piece, Unmetered
from rag.choices import ChoiceReader
from rag.cite import Statement
from rag.errors import EngineError
from rag.types import Anchor, Chunk, ChunkId, Citation, Delta, Message, Sampling, Status, Usage

TEXT = "The pump runs for 40 minutes on one charge."
CHUNK = Chunk(id=ChunkId("c1"), seq=1, document="a.md", title="A", anchor=Anchor(), start=0, end=len(TEXT), text=TEXT)
USAGE = Usage(prompt_tokens=1, completion_tokens=1, cached_tokens=0)
Step = Delta | float | Exception  # what the engine says, seconds that it is silent, or how it breaks


def citation(statement: Statement, status: Status = Status.EXACT) -> Citation:
    return Citation(
        marker=statement.marker,
        start=statement.start,
        end=statement.end,
        marker_start=statement.marker_start,
        marker_end=statement.marker_end,
        chunk=CHUNK,
        status=status,
    )


def slow(seconds: float, log: list[str] | None = None) -> Callable[[Statement], tuple[Citation, ...]]:
    def judge(statement: Statement) -> tuple[Citation, ...]:
        time.sleep(seconds)
        if log is not None:
            log.append(statement.text)
        return (citation(statement),) if statement.marker else ()

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


def make(judge: Callable[[Statement], tuple[Citation, ...]], executor: ThreadPoolExecutor, n: int = 1) -> Answering:
    ask = Ask(messages=(Message("user", "?"),), meter=Unmetered(), request_id="r", sampling=Sampling(n=n))
    return Answering([ChoiceReader(index, ask, {1, 2}, parser=None) for index in range(n)], judge, executor)


Timed = list[tuple[float, int, str]]


def run(
    judge: Callable[[Statement], tuple[Citation, ...]], steps: Sequence[Step], n: int = 1
) -> tuple[Timed, Answering]:
    """Each piece with the seconds after which it came; a citation as its marker."""

    async def main() -> tuple[Timed, Answering]:
        began, pieces = time.perf_counter(), []
        with ThreadPoolExecutor(2) as executor:
            answering = make(judge, executor, n)
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
