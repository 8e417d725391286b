"""Embeddings: token arrays of the model's own tokenizer, shorter vectors, limits, and many callers at once."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import openai
import pytest
from openai import OpenAI

from rag.embed import FakeEncoder, cut
from rag.embed.encoder import SentenceEncoder
from rag.models import embedding_source
from rag.settings import EmbeddingSettings

MODEL = "all-MiniLM-L6-v2"
TEXTS = ["The tide is high.", "don't re-read it's e-mail — 潮汐", "Pump no. 7 (copper): 3.5 l/min", "a"]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(EmbeddingSettings(), embedding_source(MODEL))


@pytest.fixture(scope="module")
def url(serve_fake, encoder):
    with serve_fake("Yes.", encoder=encoder) as (url, _):
        yield url


@pytest.fixture
def client(url):
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("special", [True, False])
def test_token_ids_of_the_models_tokenizer_have_the_vector_of_their_text(client, encoder, special) -> None:
    arrays = [encoder.tokenizer.encode(text, add_special_tokens=special).ids for text in TEXTS]
    by_text = client.embeddings.create(model=MODEL, input=TEXTS)
    by_ids = client.embeddings.create(model=MODEL, input=arrays)
    alone = client.embeddings.create(model=MODEL, input=arrays[0])
    for left, right in zip(by_text.data, by_ids.data, strict=True):
        assert np.dot(left.embedding, right.embedding) == pytest.approx(1, abs=1e-3)
    assert np.dot(alone.data[0].embedding, by_text.data[0].embedding) == pytest.approx(1, abs=1e-3)
    assert by_ids.usage.prompt_tokens == by_text.usage.prompt_tokens


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([791, 92, 579, 374, 1579, 13], "writes with others"),  # another vocabulary's
        ([100257], "not among"),
        ([-1], "not among"),
        ([2**62], "not among"),
        ([101, 102], "writes with others"),  # control tokens alone: no text
    ],
)
def test_token_ids_of_another_tokenizer_are_refused_with_the_reason(client, ids, why) -> None:
    for given, where in ((ids, "input[0]"), ([[2023, 2003], ids], "input[1]")):
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model=MODEL, input=given)
        assert (caught.value.param, caught.value.code) == ("input", "invalid_token_ids")
        assert why in caught.value.message
        assert where in caught.value.message


def test_a_batch_keeps_its_order_and_base64_is_the_same_floats(url) -> None:
    texts = [f"Note {n}: " + "word " * (n * 37 % 80) for n in range(64)]
    body = {"model": MODEL, "input": texts}
    floats = httpx2.post(f"{url}/v1/embeddings", json=body, timeout=60).json()["data"]
    encoded = httpx2.post(f"{url}/v1/embeddings", json={**body, "encoding_format": "base64"}, timeout=60).json()["data"]
    assert [item["index"] for item in floats] == [item["index"] for item in encoded] == list(range(64))
    for left, right in zip(floats, encoded, strict=True):
        vector = np.frombuffer(base64.b64decode(right["embedding"]), "<f4")
        assert np.dot(left["embedding"], vector) == pytest.approx(1, abs=1e-2)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_dimensions_are_refused_by_a_model_that_is_not_trained_for_them(client) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MODEL, input="x", dimensions=64)
    assert (caught.value.param, caught.value.code) == ("dimensions", "unsupported_value")
    assert len(client.embeddings.create(model=MODEL, input="x", dimensions=384).data[0].embedding) == 384


def test_dimensions_cut_the_vectors_of_a_model_that_is_trained_for_them(serve_fake) -> None:
    encoder = FakeEncoder(shorter_dimensions=(8, 16))
    with (
        serve_fake("Yes.", encoder=encoder) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        for encoding_format in ("float", "base64"):
            vector = client.embeddings.create(
                model="fake", input="one river", dimensions=16, encoding_format=encoding_format
            ).data[0].embedding  # fmt: skip
            if isinstance(vector, str):
                vector = np.frombuffer(base64.b64decode(vector), "<f4")
            assert vector == pytest.approx(cut(encoder.encode_documents(["one river"]), 16)[0], abs=1e-6)
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        with pytest.raises(openai.BadRequestError, match="trained for 8, 16"):
            client.embeddings.create(model="fake", input="one river", dimensions=12)


def test_the_tokens_of_all_inputs_together_are_limited(serve_fake) -> None:
    with serve_fake("Yes.") as (url, _):
        body = {"model": "fake", "input": ["word " * 500] * 601}
        error = httpx2.post(f"{url}/v1/embeddings", json=body, timeout=60).json()["error"]
        assert error["param"] == "input"
        assert "300500 tokens together" in error["message"]


class SlowEncoder(FakeEncoder):
    """Takes its time, and notes how many texts came together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode_documents(self, texts):
        self.batches.append(len(texts))
        asyncio.run(asyncio.sleep(0.2))
        return super().encode_documents(texts)


def test_callers_of_one_text_each_share_batches_and_too_many_are_answered_429(serve_fake) -> None:
    encoder = SlowEncoder()
    with serve_fake("Yes.", settings={"embedding": {"max_queue": 8}}, encoder=encoder) as (url, _):

        def post(number: int) -> httpx2.Response:
            return httpx2.post(f"{url}/v1/embeddings", json={"model": "fake", "input": f"text {number}"}, timeout=60)

        with ThreadPoolExecutor(32) as pool:
            responses = list(pool.map(post, range(32)))
    good = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code == 429]
    assert len(good) + len(refused) == 32
    assert refused
    assert len(encoder.batches) < len(good) == sum(encoder.batches)
    for response in refused:
        assert int(response.headers["retry-after"]) >= 1
        assert response.json()["error"]["code"] == "rate_limit_exceeded"
