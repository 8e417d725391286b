"""What we take and what we send, held against the types of the official client as it is installed."""

import json

import httpx2
import pytest
from openai import types
from openai.types import chat, completion_create_params, responses, vector_stores
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import input_token_count_params, response_create_params
from openai.types.responses.input_token_count_response import InputTokenCountResponse

from rag.api.app import create_app
from rag.api.reference import endpoints
from rag.api.state import State
from rag.settings import Settings

VLLM = {"top_k", "min_p", "repetition_penalty", "cache_salt"}
STORES = "/v1/vector_stores"
FILES = f"{STORES}/{{store_id}}/files"
BATCHES = f"{STORES}/{{store_id}}/file_batches"
# Path: the client's own type, and the names that are ours. Nothing else may be taken.
PARAMETERS = {
    "/v1/chat/completions": (chat_create_params.CompletionCreateParamsStreaming, VLLM | {"rag"}),
    "/v1/completions": (completion_create_params.CompletionCreateParamsStreaming, VLLM),
    "/v1/embeddings": (types.EmbeddingCreateParams, set()),
    "/v1/responses": (response_create_params.ResponseCreateParamsStreaming, {"rag"}),
    "/v1/responses/input_tokens": (input_token_count_params.InputTokenCountParams, {"rag"}),
    "/v1/files": (types.FileCreateParams, set()),
    STORES: (types.VectorStoreCreateParams, set()),
    f"{STORES}/{{store_id}}": (types.VectorStoreUpdateParams, set()),
    f"{STORES}/{{store_id}}/search": (types.VectorStoreSearchParams, {"rag"}),
    FILES: (vector_stores.FileCreateParams, set()),
    f"{FILES}/{{file_id}}": (vector_stores.FileUpdateParams, set()),
    BATCHES: (vector_stores.FileBatchCreateParams, set()),
}
TAKEN = {
    endpoint.path: {parameter.name for parameter in endpoint.parameters if parameter.place == "body"}
    for endpoint in endpoints(create_app(State(Settings())))
    if endpoint.method == "POST"
}


@pytest.mark.parametrize("path", [path for path, names in TAKEN.items() if names])
def test_every_name_that_is_taken_is_openais_or_a_known_one_of_ours(path) -> None:
    theirs, ours = PARAMETERS[path]
    taken = {name.partition(".")[0] for name in TAKEN[path]}
    assert taken <= set(theirs.__annotations__) | ours


@pytest.fixture(scope="module")
def client(serve_fake):
    with serve_fake("The warranty lasts 26 months. [1]") as (url, _), httpx2.Client(base_url=url, timeout=30) as client:
        yield client


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "How long does the standard warranty last?"}]}
SEARCH = {"type": "file_search", "vector_store_ids": ["default"]}


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", CHAT, chat.ChatCompletion),
        ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2, "n": 2}, chat.ChatCompletion),
        ("/v1/completions", {"model": "tiny", "prompt": "Once", "max_tokens": 4}, types.Completion),
        ("/v1/embeddings", {"model": "fake", "input": ["a", "b"]}, types.CreateEmbeddingResponse),
        ("/v1/responses", {"model": "tiny", "input": "How long?", "tools": [SEARCH]}, responses.Response),
        ("/v1/responses/input_tokens", {"model": "tiny", "input": "How long?"}, InputTokenCountResponse),
        ("/v1/vector_stores", {"name": "typed"}, types.VectorStore),
    ],
)
def test_an_answer_has_every_field_that_the_clients_type_requires(client, path, body, kind) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    kind.model_validate(answer.json())  # raises where a required field is missing or of another type


def test_every_chunk_has_them_too(client) -> None:
    answer = client.post(
        "/v1/chat/completions", json={**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    assert len(events) > 2
    for event in events:
        chat.ChatCompletionChunk.model_validate(json.loads(event))


def test_models_have_them(client) -> None:
    listed = client.get("/v1/models").json()
    for model in listed["data"]:
        types.Model.model_validate(model)
    types.Model.model_validate(client.get("/v1/models/tiny").json())
