"""Server-sent events, and leaving when the client does."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

T = TypeVar("T")

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
