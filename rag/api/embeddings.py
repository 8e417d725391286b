"""`POST /v1/embeddings`."""

import asyncio
import base64

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic_core import to_json

from rag.api import sse
from rag.api.access import CallerDep, requires
from rag.api.body import JsonRoute
from rag.api.names import check_embedding_model
from rag.api.schemas.embeddings import EmbeddingRequest
from rag.api.state import RoomsDep
from rag.ask import Meter
from rag.auth import Scope
from rag.embed import Batcher, Encoder, cut, text_of
from rag.errors import ContextTooLong, InvalidRequest

router = APIRouter(prefix="/v1", tags=["embeddings"], dependencies=[requires(Scope.EMBEDDINGS)], route_class=JsonRoute)

_MAX_TOKENS = 300_000  # of all inputs together


@router.post("/embeddings")
async def embeddings(body: EmbeddingRequest, request: Request, rooms: RoomsDep, caller: CallerDep) -> Response:
    """A vector for each input, in the order given."""
    check_embedding_model(body.model, rooms)
    return await sse.while_connected(request, _answer(body, caller.meter, rooms.batcher))


async def _answer(body: EmbeddingRequest, meter: Meter, batcher: Batcher) -> Response:
    loop = asyncio.get_running_loop()
    _check_dimensions(body.dimensions, batcher.encoder)
    texts, n_tokens = await loop.run_in_executor(None, _read, body, batcher.encoder)
    await meter.reserve(n_tokens)
    vectors = await batcher.documents(texts)
    meter.spend(n_tokens)
    if len(texts) == 1:  # a way to another thread and back would take longer
        return _response(body, n_tokens, vectors)
    return await loop.run_in_executor(None, _response, body, n_tokens, vectors)


def _read(body: EmbeddingRequest, encoder: Encoder) -> tuple[list[str], int]:
    """The inputs as texts, and their tokens together."""
    texts = [
        item if isinstance(item, str) else text_of(item, encoder.tokenizer, param=f"input[{index}]")
        for index, item in enumerate(body.inputs())
    ]
    counts = [len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(texts)]
    _check_counts(counts, encoder)
    return texts, sum(counts)


def _check_dimensions(dimensions: int | None, encoder: Encoder) -> None:
    info = encoder.info
    if dimensions in {None, info.dimensions} or dimensions in encoder.shorter_dimensions:
        return
    lengths = ", ".join(map(str, encoder.shorter_dimensions)) or "no shorter vectors"
    raise InvalidRequest(
        f"dimensions = {dimensions} is not supported: {info.model!r} is trained for {lengths}. "
        f"Leave it out for {info.dimensions}; embedding.shorter_dimensions says what a model is trained for.",
        param="dimensions",
        code="unsupported_value",
    )


def _check_counts(counts: list[int], encoder: Encoder) -> None:
    limit = encoder.max_tokens
    for index, count in enumerate(counts):
        if count > limit:
            raise ContextTooLong(
                f"input[{index}] has {count} tokens; {encoder.info.model!r} reads at most {limit}. Split it.",
                param="input",
            )
    if sum(counts) > _MAX_TOKENS:
        raise InvalidRequest(
            f"The inputs have {sum(counts)} tokens together; {_MAX_TOKENS} are allowed. Send them in several requests.",
            param="input",
        )


def _response(body: EmbeddingRequest, n_tokens: int, vectors: NDArray[np.float32]) -> Response:
    if body.dimensions is not None:
        vectors = cut(vectors, body.dimensions)
    embeddings: list[object]
    if body.encoding_format == "base64":
        embeddings = [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4")]
    else:
        embeddings = vectors.tolist()
    data = [
        {"object": "embedding", "index": index, "embedding": embedding} for index, embedding in enumerate(embeddings)
    ]
    usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    answer = {"object": "list", "data": data, "model": body.model, "usage": usage}
    return Response(to_json(answer), media_type="application/json")
