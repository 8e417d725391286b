"""Everything but chat: embeddings, models, sources, health, metrics, and one shape for all errors."""

import base64
import re
import struct

import httpx2
import openai
import pytest
from openai import OpenAI

from rag.embed import FakeEncoder


@pytest.fixture(scope="module")
def url(serve_fake):
    aliases = {"models": {"aliases": {"gpt-4o": "tiny", "text-embedding-3-small": "fake"}}}
    with serve_fake("Yes.", settings=aliases) as (url, _):
        yield url


@pytest.fixture
def client(url):
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_embeddings_are_the_encoders_in_both_formats(client) -> None:
    texts = ["one river", "two rivers and a longer text", "one river"]
    expected = FakeEncoder().encode_documents(texts)
    for encoding_format in ("float", "base64", openai.NOT_GIVEN):
        result = client.embeddings.create(model="fake", input=texts, encoding_format=encoding_format)
        assert [item.index for item in result.data] == [0, 1, 2]
        for item, vector in zip(result.data, expected, strict=True):
            got = item.embedding
            if isinstance(got, str):
                got = struct.unpack(f"<{len(vector)}f", base64.b64decode(got))
            assert got == pytest.approx(vector.tolist(), abs=1e-6)
        assert result.usage.prompt_tokens == result.usage.total_tokens > 0
    assert client.embeddings.create(model="text-embedding-3-small", input="x").model == "text-embedding-3-small"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, "a"]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": 1.5}, "input"),
        ({"input": [0.5]}, "input[0]"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "word " * 600}, "input"),
        ({"input": "a", "dimensions": 8}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_bad_embedding_bodies_are_refused_by_name(url, body, param) -> None:
    response = httpx2.post(f"{url}/v1/embeddings", json={"model": "fake", **body})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_models_are_listed_under_their_names_and_aliases(client) -> None:
    assert [model.id for model in client.models.list()] == ["tiny", "gpt-4o", "fake", "text-embedding-3-small"]
    assert client.models.retrieve("gpt-4o:plain").id == "gpt-4o:plain"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/none")
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi?"}])
    assert answer.model == "gpt-4o"


def test_a_source_is_json_for_programs_and_a_page_for_browsers(url, client) -> None:
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "warranty?"}])
    chunk_id = answer.model_extra["rag"]["retrieved"][0]["chunk_id"]
    source = httpx2.get(f"{url}/v1/sources/{chunk_id}").json()
    assert set(source) == {
        "chunk_id", "collection", "document", "title", "anchor", "source_start", "source_end", "text", "before", "after"
    }  # fmt: skip
    page = httpx2.get(f"{url}/v1/sources/{chunk_id}", headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<mark>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_health_ready_and_metrics(url, client) -> None:
    client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "warranty?"}])
    assert httpx2.get(f"{url}/health").json()["status"] == "ok"
    ready = httpx2.get(f"{url}/ready")
    assert ready.status_code == 200
    assert ready.json()["engines"][0]["reuse"] == "on"
    collection = ready.json()["collections"][0]
    assert collection["shared_prefix"]["documents"] == collection["documents"] == 15
    metrics = httpx2.get(f"{url}/metrics").text
    prompt = float(re.search(r'rag_prompt_tokens_total\{collection="default"\} (\S+)', metrics)[1])
    cached = float(re.search(r'rag_cached_tokens_total\{collection="default"\} (\S+)', metrics)[1])
    assert 0 < cached < prompt
    assert 'rag_requests_total{route="/v1/chat/completions",status="200"}' in metrics
    assert 'rag_engine_reuse_proven{engine="fake://engine"} 1.0' in metrics


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("GET", "/v1/models/none", {}, 404),
        ("GET", "/v1/sources/none", {}, 404),
        ("POST", "/v1/chat/completions", {"content": b"{"}, 400),
        ("POST", "/v1/chat/completions", {"content": b"[]"}, 400),
        ("POST", "/v1/chat/completions", {"content": b'{"model": "\xff"}'}, 400),
        (
            "POST",
            "/v1/chat/completions",
            {"json": {"model": "none", "messages": [{"role": "user", "content": "x"}]}},
            404,
        ),
        ("POST", "/v1/embeddings", {"json": {"model": "none", "input": "x"}}, 404),
        ("POST", "/v1/embeddings", {"json": {}}, 400),
        ("POST", "/v1/embeddings", {"content": b" " * (11 * 2**20)}, 413),
    ],
)
def test_every_failure_has_one_shape(url, method, path, options, status) -> None:
    response = httpx2.request(method, url + path, headers={"content-type": "application/json"}, **options)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.json()["error"]["message"]
    assert response.headers["x-request-id"].startswith("req_")


def test_a_request_id_of_the_client_comes_back(url) -> None:
    assert httpx2.get(f"{url}/health", headers={"x-request-id": "abc"}).headers["x-request-id"] == "abc"
