"""`POST /v1/chat/completions`."""

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from rag.api import sse
from rag.api.access import CallerDep, find_collection, requires
from rag.api.errors import describe
from rag.api.names import chat_model
from rag.api.schemas.chat import ChatRequest
from rag.api.state import RoomsDep
from rag.api.wire import Json, annotation_json, rag_json, usage_json
from rag.ask import Ask, Event, Report
from rag.auth import Scope
from rag.errors import RagError
from rag.pipeline import answer
from rag.types import Citation

router = APIRouter(prefix="/v1", tags=["chat"], dependencies=[requires(Scope.CHAT)])
log = structlog.get_logger()


@router.post("/chat/completions")
async def chat_completions(
    body: ChatRequest,
    request: Request,
    rooms: RoomsDep,
    caller: CallerDep,
    x_rag_collection: Annotated[str | None, Header()] = None,
) -> Response:
    """An answer from the collection's documents, whole or as a stream."""
    body.check()
    model = chat_model(body.model, rooms)
    documents = model.documents and body.rag.mode == "auto"
    name = body.rag.collection or x_rag_collection or "default"
    ask = Ask(
        messages=tuple(message.as_message() for message in body.messages),
        request_id=request.scope["request_id"],
        collection=(await find_collection(name, caller, rooms)).id if documents else None,
        group=caller.group,
        top_k=body.rag.top_k,
        filter=body.rag.document_filter(),
        sampling=body.sampling(),
    )
    reply = _Reply(
        id=f"chatcmpl-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=body.model,
        sources_url=f"{request.base_url}v1/sources/",
        context="context" in body.rag.include,
    )
    events = answer(ask, rooms)
    if not body.stream:
        return JSONResponse(await sse.while_connected(request, reply.whole(events)))
    # Nothing is sent before the engine has spoken, so that what fails until then has a status.
    first = await sse.while_connected(request, anext(events))
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    return sse.stream(reply.chunks(first, events, include_usage=include_usage))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What is the same in all parts of one answer."""

    id: str
    created: int
    model: str
    sources_url: str
    context: bool

    async def whole(self, events: AsyncGenerator[Event, None]) -> Json:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Report):
                    return self._completion(event)
        raise AssertionError("an answer ended without a report")

    async def chunks(
        self, first: Event, events: AsyncGenerator[Event, None], *, include_usage: bool
    ) -> AsyncIterator[str]:
        yield self._chunk({"role": "assistant", "content": ""}, usage=include_usage)
        try:
            async with aclosing(events):
                for part in self._parts(first, include_usage=include_usage):
                    yield part
                async for event in events:
                    for part in self._parts(event, include_usage=include_usage):
                        yield part
        except RagError as error:
            log.warning("stream_broke", id=self.id, error=type(error).__name__)
            yield sse.event(describe(error)[1])
            return
        yield sse.DONE

    def _parts(self, event: Event, *, include_usage: bool) -> list[str]:
        if isinstance(event, str):
            return [self._chunk({"content": event}, usage=include_usage)]
        if isinstance(event, Citation):
            return [self._chunk({"annotations": [annotation_json(event, self.sources_url)]}, usage=include_usage)]
        rag = rag_json(event, self.sources_url, context=self.context)
        parts = [self._chunk({}, finish_reason=event.finish_reason, usage=include_usage, rag=rag)]
        if include_usage:
            parts.append(
                sse.event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage_json(event.usage)})
            )
        return parts

    def _chunk(self, delta: Json, *, usage: bool, finish_reason: str | None = None, rag: Json | None = None) -> str:
        choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk: Json = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if usage:
            chunk["usage"] = None
        if rag:
            chunk["rag"] = rag
        return sse.event(chunk)

    def _completion(self, report: Report) -> Json:
        message: Json = {
            "role": "assistant",
            "content": report.text,
            "refusal": None,
            "annotations": [annotation_json(citation, self.sources_url) for citation in report.citations],
        }
        choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": report.finish_reason}
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage_json(report.usage),
            "rag": rag_json(report, self.sources_url, context=self.context),
        }

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "system_fingerprint": None}
