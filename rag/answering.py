"""The engine's words and what judges find, merged as they come: no text waits for a judgement."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from rag.ask import Found, Piece
from rag.choices import ChoiceReader
from rag.cite import Statement
from rag.quotes import QuoteReader
from rag.types import Citation, Delta, Usage

# What may be a marker is held back so long at most, and under the policy `drop` a marker that is not judged. An engine
# that writes four tokens a second, slower than people read, gets a whole marker through in it.
HOLD_S = 0.25

Judging = Callable[[Statement], tuple[Citation, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    choice: int
    citations: tuple[Citation, ...]
    took_s: float


_Statements = asyncio.Queue[tuple[int, Statement] | None]  # with the number of their choice
_Inbox = asyncio.Queue[Delta | _Judged | asyncio.Task[None]]


class Answering:
    """The choices of one request while they come about. Once `events` has ended, they are complete.

    usage: as the engine reported it, by then. judged_s: the seconds that each statement took in the worker.
    """

    def __init__(self, readers: Sequence[ChoiceReader | QuoteReader], judge: Judging, executor: Executor) -> None:
        """judge: blocks; it is called for one statement at a time, in their order, in a thread of `executor`."""
        self.usage: Usage | None = None
        self.judged_s: list[float] = []
        self._readers = readers
        self._judge = judge
        self._executor = executor

    async def events(self, deltas: AsyncIterator[Delta], found: Found | None) -> AsyncGenerator[Found | Piece, None]:
        """What was found, once the engine speaks; then text and calls as they come, citations as they are judged.

        Raises:
            RagError: the engine's; all that came before it was given.
        """
        inbox: _Inbox = asyncio.Queue()
        statements: _Statements = asyncio.Queue()
        tasks = [
            asyncio.create_task(_listen(deltas, inbox)),
            asyncio.create_task(self._judge_all(statements, inbox)),
        ]
        for task in tasks:
            task.add_done_callback(inbox.put_nowait)
        n_running = len(tasks)
        try:
            while n_running:
                item = await self._next(inbox)
                if isinstance(item, asyncio.Task):
                    item.result()
                    n_running -= 1
                    if item is tasks[0]:
                        statements.put_nowait(None)
                    continue
                if found and isinstance(item, Delta):  # not sooner: what fails until then comes before any event
                    yield found
                    found = None
                for piece in self._taken(item, statements):
                    yield piece
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self, inbox: _Inbox) -> Delta | _Judged | asyncio.Task[None] | None:
        """What came next; None: nothing did while text was held back for as long as it may be."""
        held = [since for reader in self._readers if (since := reader.held_since) is not None]
        if not held or not inbox.empty():
            return await inbox.get()
        try:
            async with asyncio.timeout_at(min(held) + HOLD_S):
                return await inbox.get()
        except TimeoutError:
            return None

    def _taken(self, item: Delta | _Judged | None, statements: _Statements) -> list[Piece]:
        now = asyncio.get_running_loop().time()
        pieces: list[Piece] = []
        match item:
            case _Judged():
                self.judged_s.append(item.took_s)
                pieces += self._readers[item.choice].judged(item.citations)
            case Delta():
                self.usage = item.usage or self.usage
                pieces += _sorted(item.choice, self._readers[item.choice].feed(item, now), statements)
        for index, reader in enumerate(self._readers):
            if reader.held_since is not None and reader.held_since <= now - HOLD_S:
                pieces += _sorted(index, reader.let_go(now - HOLD_S), statements)
        return pieces

    async def _judge_all(self, statements: _Statements, inbox: _Inbox) -> None:
        """Nothing, after the last statement."""
        loop = asyncio.get_running_loop()
        while (one := await statements.get()) is not None:
            choice, statement = one
            judged = loop.run_in_executor(self._executor, _timed, self._judge, statement)
            try:
                citations, took_s = await asyncio.shield(judged)
            except asyncio.CancelledError:
                # A thread cannot be stopped. What it reads must not be closed under it, so it is awaited.
                await asyncio.wait((judged,))
                raise
            inbox.put_nowait(_Judged(choice=choice, citations=citations, took_s=took_s))


async def _listen(deltas: AsyncIterator[Delta], inbox: _Inbox) -> None:
    async for delta in deltas:
        inbox.put_nowait(delta)


def _sorted(choice: int, found: Sequence[Piece | Statement], statements: _Statements) -> list[Piece]:
    """The pieces among what was found; statements go to the judge."""
    for one in found:
        if isinstance(one, Statement):
            statements.put_nowait((choice, one))
    return [one for one in found if isinstance(one, Piece)]


def _timed(judge: Judging, statement: Statement) -> tuple[tuple[Citation, ...], float]:
    began = time.perf_counter()
    return judge(statement), time.perf_counter() - began
