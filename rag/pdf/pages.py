"""A page of a PDF as a picture, with a quote highlighted on it."""

import asyncio
import hashlib
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rag.errors import Overloaded

_WORKER = Path(__file__).with_name("worker.py")
_CACHE_BYTES = 16 * 2**20
_LARGEST_BYTES = 12 * 2**20  # of a picture: 2.5 million pixels take 10 MB where nothing can be packed
_PIECE_BYTES = 2**16
_MEMORY_BYTES = 2**30
_AT_ONCE = 2
_WAITING = 16
_FAILED_S = 60  # for so long what failed is not tried again: who reads on would wait each time
_FAILURES = 256


class Unrendered(Exception):
    """There is no picture of the page; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A picture of a page. `number` starts at 1."""

    number: int
    is_marked: bool  # the quote was found on it
    png: bytes


_Key = tuple[bytes, int, str]


class PageRenderer:
    """Renders pages of PDFs that nobody vouches for. One event loop uses it.

    Each picture has a process of its own: pdfium at its worst ends that process, and nothing of one document is left
    for the next. Its time, its memory and the size of the picture are limited; pictures are kept in 16 MiB.
    """

    def __init__(self, *, timeout_s: float = 10, memory_bytes: int = _MEMORY_BYTES, worker: Path = _WORKER) -> None:
        """Limits for one picture: seconds of wall time, bytes of address space. worker: the program that makes it."""
        self._timeout_s = timeout_s
        # -P: the folder of the script is not searched for modules, so that nothing beside it stands in for a library.
        self._command = [sys.executable, "-P", str(worker), str(memory_bytes)]
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._n_waiting = 0
        self._kept: OrderedDict[_Key, Page] = OrderedDict()
        self._failed: OrderedDict[_Key, tuple[float, str]] = OrderedDict()

    async def render(self, data: bytes, number: int, quote: str) -> Page:
        """The page on which `quote` begins, looked for from page `number` on; that page if it is not found.

        Raises:
            Unrendered: the PDF is damaged, has no such page, or is over a limit.
            Overloaded: too many wait for theirs.
        """
        key = (hashlib.sha256(data).digest(), number, quote)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        failed, reason = self._failed.get(key, (0.0, ""))
        if reason and time.monotonic() - failed < _FAILED_S:
            raise Unrendered(reason)
        if self._n_waiting >= _WAITING:
            raise Overloaded(f"{_WAITING} pages already wait to be rendered. Try again in a few seconds.")
        self._n_waiting += 1
        try:
            async with self._places:
                page = await self._made(data, json.dumps({"page": number, "quote": quote}))
        except Unrendered as why:
            self._failed[key] = (time.monotonic(), str(why))
            if len(self._failed) > _FAILURES:
                self._failed.popitem(last=False)
            raise
        finally:
            self._n_waiting -= 1
        self._keep(key, page)
        return page

    async def _made(self, data: bytes, wanted: str) -> Page:
        worker = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        feeding = asyncio.create_task(_feed(worker, wanted.encode() + b"\n" + data))
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await _answer(worker)
        except TimeoutError:
            raise Unrendered(f"its page could not be rendered in {self._timeout_s:g} s") from None
        finally:
            feeding.cancel()
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        head, _, png = answer.partition(b"\n")
        if worker.returncode or not head:
            raise Unrendered("the PDF library broke down on its page")
        told = json.loads(head)
        if "error" in told:
            raise Unrendered(str(told["error"]))
        return Page(number=int(told["page"]), is_marked=bool(told["is_marked"]), png=png)

    def _keep(self, key: _Key, page: Page) -> None:
        self._kept[key] = page
        while sum(len(each.png) for each in self._kept.values()) > _CACHE_BYTES:
            self._kept.popitem(last=False)


async def _feed(worker: Process, data: bytes) -> None:
    assert worker.stdin  # noqa: S101 - it was asked for
    with suppress(ConnectionError):  # it ended without reading all of it
        worker.stdin.write(data)
        await worker.stdin.drain()
        worker.stdin.close()


async def _answer(worker: Process) -> bytes:
    """All that the worker says until it ends."""
    assert worker.stdout  # noqa: S101 - it was asked for
    answer = bytearray()
    while piece := await worker.stdout.read(_PIECE_BYTES):
        answer += piece
        if len(answer) > _LARGEST_BYTES:
            raise Unrendered("the picture of its page is too large")
    await worker.wait()
    return bytes(answer)
