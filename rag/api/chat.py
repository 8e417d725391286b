"""`POST /v1/chat/completions`."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.api import sse
from rag.api.access import CallerDep, CollectionHeader, find_collection, requires
from rag.api.body import JsonRoute
from rag.api.chat_wire import ChatWire
from rag.api.names import chat_model, rooms_of_model
from rag.api.schemas.chat import ChatRequest
from rag.api.schemas.messages import read_messages
from rag.api.sources.making import links_of
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.ask import Ask, Event, Report
from rag.auth import Caller, Scope
from rag.pipeline import answer
from rag.rooms import Rooms

router = APIRouter(prefix="/v1", tags=["chat"], dependencies=[requires(Scope.CHAT)], route_class=JsonRoute)


@router.post("/chat/completions")
async def chat_completions(
    body: ChatRequest,
    request: Request,
    rooms: RoomsDep,
    caller: CallerDep,
    x_rag_collection: CollectionHeader = None,
) -> Response:
    """An answer from the collection's documents, whole or as a stream."""
    rooms = rooms_of_model(body.model, _opening(body), rooms, request.scope)
    ask = await _ask(body, caller, rooms, request_id=request.scope["request_id"], header=x_rag_collection)
    wire = ChatWire(
        id=f"chatcmpl-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=body.model,
        links=await links_of(request, ask.collection, caller, rooms),
        context="context" in body.rag.include,
        logprobs=bool(body.logprobs),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        tokenizer=rooms.model.renderer.tokenizer,
        n=ask.sampling.n,
        metadata=body.metadata,
        service_tier=body.service_tier,
    )
    events = answer(ask, rooms)
    if not body.stream:
        return JSONResponse(await sse.while_connected(request, _whole(events, wire)))
    # Nothing is sent before the engine has spoken, so that what fails until then has a status.
    first = await sse.while_connected(request, anext(events))
    return sse.stream(sse.to_the_end(_chunks(first, events, wire), wire.id))


async def _ask(body: ChatRequest, caller: Caller, rooms: Rooms, *, request_id: str, header: str | None) -> Ask:
    model = chat_model(body.model, rooms)
    body.check(rooms.model.renderer.tokenizer.n_vocabulary)
    tools, tool_choice = body.tools_and_choice()
    collection = None
    if model.documents and body.rag.mode == "auto":
        name, param = body.rag.collection or header or "default", "rag.collection" if body.rag.collection else None
        collection = (await find_collection(name, caller, rooms, param=param)).id
    sampling = body.sampling()
    body.rag.check_answer(
        documents=collection is not None,
        others={"response_format": sampling.response_format is not None, "tools": bool(tools)},
    )
    return Ask(
        messages=read_messages(body.messages),
        request_id=request_id,
        collection=collection,
        group=caller.group,
        key_id=caller.key_id or "",
        priority=caller.limits.priority,
        meter=caller.meter,
        top_k=body.rag.top_k,
        citations=body.rag.citations,
        filter=body.rag.document_filter(),
        answer=body.rag.answer,
        sampling=sampling,
        alias=model.alias,
        is_cut=rooms.settings.server.history_overflow == "truncate",
        tools=tools,
        tool_choice=tool_choice,
    )


def _opening(body: ChatRequest) -> str:
    return str(next((message.content for message in body.messages if message.role == "user"), ""))


async def _whole(events: AsyncGenerator[Event, None], wire: ChatWire) -> Json:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Report):
                return wire.whole(event)
    raise AssertionError("an answer ended without a report")


async def _chunks(first: Event, events: AsyncGenerator[Event, None], wire: ChatWire) -> AsyncGenerator[str, None]:
    opened: set[int] = set()
    async with aclosing(events):
        for chunk in wire.chunks(first, opened):
            yield chunk
        async for event in events:
            for chunk in wire.chunks(event, opened):
                yield chunk
