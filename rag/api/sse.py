"""Server-sent events, and leaving when the client does."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from typing import TypeVar

import structlog
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from rag.api.errors import describe
from rag.errors import RagError

T = TypeVar("T")

log = structlog.get_logger()

DONE = "data: [DONE]\n\n"


def event(data: object) -> str:
    """One event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def named(data: Mapping[str, object]) -> str:
    """One event that is named by its own `type`, as the Responses API sends them."""
    return f"event: {data['type']}\n{event(data)}"


def stream(events: AsyncIterator[str]) -> StreamingResponse:
    """A response that sends each event as it comes. Proxies are asked not to hold it back."""
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def to_the_end(chunks: AsyncGenerator[str, None], answer_id: str) -> AsyncIterator[str]:
    """The chunks of an answer, and behind them either the end or the error that broke them."""
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
    except RagError as error:
        log.warning("stream_broke", id=answer_id, error=type(error).__name__)
        yield event(describe(error)[1])
        return
    yield DONE


async def while_connected(request: Request, work: Coroutine[object, object, T]) -> T:
    """The result of `work`, which is cancelled as soon as the client leaves.

    Raises:
        ClientDisconnect: the client left first.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for future in (task, left):
            future.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
