"""`POST /v1/completions`: the bare model, without documents."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.api import sse
from rag.api.access import CallerDep, requires
from rag.api.body import JsonRoute
from rag.api.completion_wire import CompletionWire
from rag.api.names import chat_model, rooms_of_model
from rag.api.schemas.completion import CompletionRequest
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.completion import CompletionAsk, complete, encode_prompts
from rag.render import ChatTokenizer
from rag.types import Delta

router = APIRouter(prefix="/v1", tags=["chat"], dependencies=[requires(Scope.CHAT)], route_class=JsonRoute)

Pieces = AsyncGenerator[tuple[int, Delta], None]


@router.post("/completions")
async def completions(body: CompletionRequest, request: Request, rooms: RoomsDep, caller: CallerDep) -> Response:
    """The model's own continuation of each prompt, whole or as a stream."""
    rooms = rooms_of_model(body.model, str(body.prompt), rooms, request.scope)
    tokenizer = rooms.model.renderer.tokenizer
    body.check(tokenizer.n_vocabulary)
    prompts = await rooms.blocking(encode_prompts, body.prompts(), rooms)
    ask = CompletionAsk(
        prompts=prompts,
        request_id=request.scope["request_id"],
        sampling=body.sampling(),
        group=caller.group,
        key_id=caller.key_id or "",
        priority=caller.limits.priority,
        meter=caller.meter,
        alias=chat_model(body.model, rooms).alias,
    )
    wire = CompletionWire(
        id=f"cmpl-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=body.model,
        n=ask.sampling.n,
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        logprobs=body.logprobs is not None,
        tokenizer=tokenizer,
        echoed=[_echo(prompt, tokenizer) if body.echo else "" for prompt in body.prompts()],
    )
    pieces = complete(ask, rooms)
    if not body.stream:
        return JSONResponse(await sse.while_connected(request, _whole(pieces, wire)))
    # Nothing is sent before the engine has spoken, so that what fails until then has a status.
    first = await sse.while_connected(request, anext(pieces))
    return sse.stream(sse.to_the_end(_chunks(first, pieces, wire), wire.id))


def _echo(prompt: str | list[int], tokenizer: ChatTokenizer) -> str:
    return prompt if isinstance(prompt, str) else tokenizer.decode(tuple(prompt))


async def _whole(pieces: Pieces, wire: CompletionWire) -> Json:
    async with aclosing(pieces):
        async for index, delta in pieces:
            wire.take(index, delta)
    return wire.whole()


async def _chunks(first: tuple[int, Delta], pieces: Pieces, wire: CompletionWire) -> AsyncGenerator[str, None]:
    async with aclosing(pieces):
        for chunk in wire.take(*first):
            yield sse.event(chunk)
        async for index, delta in pieces:
            for chunk in wire.take(index, delta):
                yield sse.event(chunk)
    for chunk in wire.end():
        yield sse.event(chunk)
