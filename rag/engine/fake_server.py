"""The fake engine as a server that speaks as vLLM's does: `python -m rag.engine.fake_server --port 8001`.

It stands in for vLLM wherever what lies between is looked at: routing, failures, load.
"""

import argparse
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from enum import StrEnum
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from rag.engine.base import EngineInfo
from rag.engine.fake import FakeEngine
from rag.errors import EngineError
from rag.types import Delta, Sampling

# Any: JSON as it comes in.
Json = Mapping[str, Any]

_REMEMBERED = 10_000  # requests


class Fault(StrEnum):
    """What a server can be told to do wrong."""

    NONE = "none"
    SILENT = "silent"  # it takes requests, is well by its own account, and gives no token
    GARBAGE = "garbage"  # it answers with what is no completion
    BROKEN = "broken"  # it fails every request
    BUSY = "busy"  # it takes no more for the moment
    SICK = "sick"  # it says itself that it is not well, and gives no token


class FakeServer:
    """The routes of vLLM that a service uses, over a fake engine. `fault` may change at any time.

    Of a request it minds the prompt, the salt, `max_tokens` and `n`. `sessions` and `traces` have what each
    named as its session and as the span above it.
    """

    def __init__(self, engine: FakeEngine) -> None:
        """Serve `engine`."""
        self.engine = engine
        self.fault = Fault.NONE
        self.sessions: list[str | None] = []
        self.traces: list[str | None] = []
        self.app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/metrics", self._metrics),
                Route("/v1/completions", self._completions, methods=["POST"]),
            ]
        )

    async def _health(self, _: Request) -> Response:
        return Response(status_code=500 if self.fault is Fault.SICK else 200)

    async def _models(self, _: Request) -> Response:
        info = await self.engine.info()
        return JSONResponse({"data": [{"id": info.model, "root": info.source, "max_model_len": info.window_tokens}]})

    async def _metrics(self, _: Request) -> Response:
        info = await self.engine.info()
        n_blocks = info.kv_tokens // info.block_size if info.kv_tokens else None
        return PlainTextResponse(
            f'vllm:cache_config_info{{block_size="{info.block_size}",num_gpu_blocks="{n_blocks}"}} 1.0\n'
        )

    async def _completions(self, request: Request) -> Response:
        body = await request.json()
        for told, header in ((self.sessions, "x-session-id"), (self.traces, "traceparent")):
            told.append(request.headers.get(header))
            del told[:-_REMEMBERED]
        match self.fault:
            case Fault.BROKEN:
                return JSONResponse({"error": {"message": "Told to fail.", "code": 500}}, 500)
            case Fault.BUSY:
                return JSONResponse({"error": {"message": "Told to be full.", "code": 503}}, 503)
            case Fault.GARBAGE:
                return PlainTextResponse("data: {]\n\n", media_type="text/event-stream")
            case _:
                return StreamingResponse(self._events(body), media_type="text/event-stream")

    async def _events(self, body: Json) -> AsyncIterator[str]:
        sampling = Sampling(max_tokens=body.get("max_tokens") or 16, n=body.get("n", 1))
        deltas: AsyncGenerator[Delta, None] = self.engine.stream(
            tuple(body["prompt"]), sampling, salt=body.get("cache_salt", ""), request_id=""
        )
        async with aclosing(deltas):
            try:
                async for delta in deltas:
                    if self.fault in {Fault.SILENT, Fault.SICK}:
                        await anyio.sleep_forever()
                    yield f"data: {json.dumps(_event(delta))}\n\n"
            except EngineError as error:
                yield f"data: {json.dumps({'error': {'message': str(error), 'code': 500}})}\n\n"
        yield "data: [DONE]\n\n"


def _event(delta: Delta) -> dict[str, object]:
    if delta.usage:
        usage = {
            "prompt_tokens": delta.usage.prompt_tokens,
            "completion_tokens": delta.usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": delta.usage.cached_tokens},
        }
        return {"choices": [], "usage": usage}
    choice = {
        "index": delta.choice,
        "text": delta.text,
        "token_ids": delta.token_ids,
        "finish_reason": delta.finish_reason,
    }
    return {"choices": [choice]}


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m rag.engine.fake_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="fake", help="its name for clients")
    parser.add_argument("--source", default="fake", help="folder with the model's tokenizer")
    parser.add_argument("--reply", default="The fake engine says this to everything.")
    parser.add_argument("--window-tokens", type=int, default=8192)
    parser.add_argument("--block-size", type=int, default=16)
    parser.add_argument("--kv-tokens", type=int, default=200_000)
    parser.add_argument("--token-ms", type=float, default=10.0, help="between two tokens")
    parser.add_argument("--fail-after", type=int, help="tokens of an answer; unset: never")
    parser.add_argument("--new-ms", type=float, default=0.02, help="for each token of a prompt that is not cached")
    words = parser.parse_args()
    info = EngineInfo(
        model=words.model,
        source=words.source,
        window_tokens=words.window_tokens,
        block_size=words.block_size,
        kv_tokens=words.kv_tokens,
    )
    engine = FakeEngine(
        lambda _: words.reply,
        info=info,
        token_s=words.token_ms / 1000,
        uncached_token_s=words.new_ms / 1000,
        remembers=1,  # nobody asks a program, and it may answer millions
        fail_after=words.fail_after,
    )
    uvicorn.run(FakeServer(engine).app, host="127.0.0.1", port=words.port, log_level="warning")


if __name__ == "__main__":
    main()
