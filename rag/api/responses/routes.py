"""`POST /v1/responses`."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.api import sse
from rag.api.access import CallerDep, CollectionHeader, requires
from rag.api.body import JsonRoute
from rag.api.logprobs import response_logprobs
from rag.api.names import rooms_of_model
from rag.api.responses.ask import Asked, asked, names_input
from rag.api.responses.events import ResponseHead, ResponseWriter
from rag.api.responses.items import new_id
from rag.api.schemas.responses import RESULTS, ResponseRequest
from rag.api.sources.making import links_of
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.ask import Event, Report
from rag.auth import Scope
from rag.errors import CorpusError, Overloaded, RagError
from rag.pipeline import answer
from rag.rooms import Rooms
from rag.store import StoredResponse

router = APIRouter(
    prefix="/v1/responses", tags=["responses"], dependencies=[requires(Scope.CHAT)], route_class=JsonRoute
)
log = structlog.get_logger()


@router.post("")
async def create_response(
    body: ResponseRequest,
    request: Request,
    rooms: RoomsDep,
    caller: CallerDep,
    x_rag_collection: CollectionHeader = None,
) -> Response:
    """An answer from a vector store's documents, whole or as a stream of events."""
    this = await asked(body, caller, rooms, request_id=request.scope["request_id"], collection=x_rag_collection)
    rooms = rooms_of_model(body.model, this.opening, rooms, request.scope)
    head = ResponseHead(
        id=new_id("resp"),
        created_at=int(time.time()),
        echo={**body.echo(), "truncation": "auto" if this.ask.is_cut else "disabled"},
        links=await links_of(request, this.ask.collection, caller, rooms),
        context="context" in body.rag.include,
        shows_search=this.shows_search,
        shows_results=body.includes(RESULTS),
        tell=partial(response_logprobs, tokenizer=rooms.model.renderer.tokenizer),
    )
    writer = ResponseWriter(head, new_id=new_id, now=time.time)
    reply = _Reply(asked=this, head=head, writer=writer, rooms=rooms, is_stored=body.store is not False)
    events = answer(this.ask, rooms)
    with names_input():
        if not body.stream:
            return JSONResponse(await sse.while_connected(request, reply.whole(events)))
        # Nothing is sent before the engine has spoken, so that what fails until then has a status.
        first = await sse.while_connected(request, anext(events))
    return sse.stream(reply.stream(_from(first, events)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """One answer on its way to the client and, if wanted, to the store."""

    asked: Asked
    head: ResponseHead
    writer: ResponseWriter
    rooms: Rooms
    is_stored: bool

    async def whole(self, events: AsyncGenerator[Event, None]) -> object:
        """The response of the last event."""
        last = [event async for event in self._written(events)][-1]
        return last["response"]

    async def stream(self, events: AsyncGenerator[Event, None]) -> AsyncIterator[str]:
        try:
            async with aclosing(self._written(events)) as written:
                async for event in written:
                    yield sse.named(event)
        except RagError as error:
            log.warning("stream_broke", id=self.head.id, error=type(error).__name__)
            code = "rate_limit_exceeded" if isinstance(error, Overloaded) else "server_error"
            failed = self.writer.fail(code, str(error))
            yield sse.named(await self._kept(failed))

    async def _written(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Json, None]:
        for made in self.writer.begin():
            yield made
        async with aclosing(events):
            async for event in events:
                made_now = self.writer.take(event)
                if isinstance(event, Report):
                    made_now[-1] = await self._kept(made_now[-1])
                for made in made_now:
                    yield made

    async def _kept(self, last: Json) -> Json:
        """The last event, after its response can be found again. What cannot be stored says so."""
        if not self.is_stored:
            return last
        body = {name: value for name, value in self.writer.response().items() if name != "output"}
        stored = StoredResponse(
            id=self.head.id,
            group=self.asked.ask.group,
            previous=self.asked.previous,
            body=body,
            input=self.asked.input,
            output=tuple(self.writer.output),
        )
        try:
            await self.rooms.blocking(self.rooms.responses.put, stored)
        except CorpusError as error:  # a full disk must not cost an answer, only coming back to it
            log.warning("response_not_stored", id=self.head.id, reason=str(error))
            return {**last, "response": {**self.writer.response(), "store": False}}
        return last


async def _from(first: Event, rest: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    async with aclosing(rest):
        yield first
        async for event in rest:
            yield event
