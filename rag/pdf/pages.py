"""A page of a PDF as a picture, with a quote highlighted on it."""

import asyncio
import hashlib
import json
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from rag.errors import Overloaded

_WORKER = Path(__file__).with_name("worker.py")
_CACHE_BYTES = 16 * 2**20
_MEMORY_BYTES = 2**30
_AT_ONCE = 2
_WAITING = 16


class Unrendered(Exception):
    """There is no picture of the page; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A picture of a page. `number` starts at 1."""

    number: int
    is_marked: bool  # the quote was found on it
    png: bytes


class PageRenderer:
    """Renders pages of PDFs that nobody vouches for. One event loop uses it.

    Each picture has a process of its own: pdfium at its worst ends that process, and nothing of one document is left
    for the next. Its time, its memory and the size of the picture are limited; pictures are kept in 16 MiB.
    """

    def __init__(self, *, timeout_s: float = 10, memory_bytes: int = _MEMORY_BYTES, worker: Path = _WORKER) -> None:
        """Limits for one picture: seconds of wall time, bytes of address space. worker: the program that makes it."""
        self._timeout_s = timeout_s
        self._command = [sys.executable, "-P", str(worker), str(memory_bytes)]
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._n_waiting = 0
        self._kept: OrderedDict[tuple[bytes, int, str], Page] = OrderedDict()

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
        if self._n_waiting >= _WAITING:
            raise Overloaded(f"{_WAITING} pages already wait to be rendered. Try again in a few seconds.")
        self._n_waiting += 1
        try:
            async with self._places:
                page = await self._made(data, json.dumps({"page": number, "quote": quote}))
        finally:
            self._n_waiting -= 1
        self._keep(key, page)
        return page

    async def _made(self, data: bytes, wanted: str) -> Page:
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                answer, _ = await worker.communicate(wanted.encode() + b"\n" + data)
        except TimeoutError:
            raise Unrendered(f"its page could not be rendered in {self._timeout_s:g} s") from None
        finally:
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

    def _keep(self, key: tuple[bytes, int, str], page: Page) -> None:
        self._kept[key] = page
        while sum(len(each.png) for each in self._kept.values()) > _CACHE_BYTES:
            self._kept.popitem(last=False)
