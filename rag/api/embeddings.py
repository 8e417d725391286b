"""`POST /v1/embeddings`."""

import base64
from typing import Literal

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from rag.api import sse
from rag.api.access import requires
from rag.api.names import check_embedding_model
from rag.api.schemas.text import Text
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.embed import Batcher
from rag.errors import ContextTooLong, InvalidRequest
from rag.rooms import Rooms

router = APIRouter(prefix="/v1", tags=["embeddings"], dependencies=[requires(Scope.EMBEDDINGS)])

_MAX_INPUTS = 2048


class EmbeddingRequest(BaseModel):
    """The body."""

    model_config = ConfigDict(extra="forbid")

    model: Text
    input: Text | list[Text] | list[StrictInt] | list[list[StrictInt]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(None, ge=1)
    user: str | None = None

    def texts(self) -> list[str]:
        """The inputs as texts.

        Raises:
            InvalidRequest: none, too many, an empty one, or token ids.
        """
        inputs = [self.input] if isinstance(self.input, str) else self.input
        texts = [text for text in inputs if isinstance(text, str)]
        if not inputs or len(inputs) > _MAX_INPUTS:
            raise InvalidRequest(f"input has {len(inputs)} items; 1 to {_MAX_INPUTS} are allowed.", param="input")
        if len(texts) < len(inputs):
            raise InvalidRequest(
                "input has token ids; they depend on the client's tokenizer. Send strings.", param="input"
            )
        if "" in texts:
            raise InvalidRequest(f"input[{texts.index('')}] is empty. Leave it out.", param="input")
        return texts


@router.post("/embeddings")
async def embeddings(body: EmbeddingRequest, request: Request, rooms: RoomsDep) -> Json:
    """A vector for each input, in the order given."""
    check_embedding_model(body.model, rooms)
    texts = body.texts()
    encoder = rooms.batcher.encoder
    if body.dimensions not in (None, encoder.info.dimensions):
        raise InvalidRequest(
            f"dimensions = {body.dimensions} is not supported: {encoder.info.model!r} is not trained for shorter "
            f"vectors than {encoder.info.dimensions}. Leave it out.",
            param="dimensions",
        )
    n_tokens, vectors = await sse.while_connected(request, _encode(texts, rooms))
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


async def _encode(texts: list[str], rooms: Rooms) -> tuple[int, NDArray[np.float32]]:
    batcher: Batcher = rooms.batcher
    counts = await batcher.count_tokens(texts)
    limit = batcher.encoder.max_tokens
    for index, count in enumerate(counts):
        if count > limit:
            raise ContextTooLong(
                f"input[{index}] has {count} tokens; {batcher.encoder.info.model!r} reads at most {limit}. Split it.",
                param="input",
            )
    return sum(counts), await batcher.documents(texts)


def _encoded(vector: NDArray[np.float32], encoding_format: str) -> object:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
