"""Whatever is sent: no 5xx, no hang, and every failure in the envelope.

Cases come from our OpenAPI document (schemathesis, what fits it and what does not) and from bodies that were good until
something in them was changed. `make fuzz` runs 20,000 of them; an ordinary run has some hundred, always the same.
"""

import copy
import json
import shutil

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from rag.api.app import create_app
from rag.api.state import State
from rag.settings import Settings

DOCUMENT = create_app(State(Settings())).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
}
MODES = {"fitting": GenerationMode.POSITIVE, "not fitting": GenerationMode.NEGATIVE}


def _content(operation) -> dict[str, object]:
    return DOCUMENT["paths"][operation.path][operation.method].get("requestBody", {}).get("content", {})


DOCUMENTED = [
    (name, mode)
    for name, operation in OPERATIONS.items()
    for mode in MODES
    if mode == "fitting" or "application/json" in _content(operation)
]
TIMEOUT_S = 20
N_LONG = 20_000

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "How long is the warranty?"}], "max_tokens": 8}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
GOOD = {
    "/v1/chat/completions": [
        CHAT,
        {**CHAT, "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5, "stop": ["x", "y"]},
        {**CHAT, "tools": [TOOL], "tool_choice": "none", "n": 2, "seed": 7, "logit_bias": {"5": 1.5}},
        {**CHAT, "rag": {"collection": "default", "top_k": 3, "mode": "auto"}, "metadata": {"a": "b"}},
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "And?"},
            ],
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        },
    ],
    "/v1/completions": [{"model": "tiny", "prompt": ["Hello"], "max_tokens": 4, "stream": False, "n": 1}],
    "/v1/embeddings": [
        {"model": "fake", "input": "one"},
        {"model": "fake", "input": ["one", "two"], "encoding_format": "base64", "dimensions": 64},
        {"model": "fake", "input": [[1, 2], [3]]},
    ],
    "/v1/responses": [
        {"model": "tiny", "input": "How long?", "tools": [{"type": "file_search", "vector_store_ids": ["default"]}]},
        {"model": "tiny", "input": [{"role": "user", "content": "Hello"}], "stream": True, "store": False},
    ],
    "/v1/vector_stores": [
        {"name": "new", "metadata": {"a": "b"}, "expires_after": {"anchor": "last_active_at", "days": 1}}
    ],
    "/v1/vector_stores/default/search": [
        {"query": "warranty", "max_num_results": 3, "filters": {"type": "eq", "key": "a", "value": 1}}
    ],
    "/v1/vector_stores/default/files": [{"file_id": "file-none", "attributes": {"a": 1, "b": True}}],
    "/v1/vector_stores/default/file_batches": [{"file_ids": ["file-none"]}],
}
KNOWN = {path for path, operations in DOCUMENT["paths"].items() if "post" in operations}
GOOD = {path: bodies for path, bodies in GOOD.items() if path.replace("/default", "/{store_id}") in KNOWN}


def cases(n: int):
    """Settings for `n` cases: the same ones in every run, and no stop to shrink what failed in the short run."""
    quiet = list(HealthCheck)
    return settings(
        max_examples=n,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=quiet,
    )


@pytest.fixture(scope="module")
def url(serve_fake, sample_data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "data"  # a copy: what is sent may delete what is there
    shutil.copytree(sample_data_dir, folder)
    with serve_fake("The warranty lasts 26 months. [1]", settings={"data_dir": folder}) as (url, _):
        yield url


@pytest.fixture(scope="module")
def client(url):
    with httpx2.Client(base_url=url, timeout=TIMEOUT_S) as client:
        yield client


def check(status: int, text: str) -> None:
    """No 5xx, and a failure is the envelope and nothing else."""
    assert status < 500, f"{status}: {text[:500]}"
    assert status != 422
    if status >= 400:
        body = json.loads(text)
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert isinstance(body["error"]["message"], str)


def send_cases(operation, mode, n: int, url: str) -> None:
    """Send what schemathesis makes of an operation."""

    @cases(n)
    @given(case=operation.as_strategy(generation_mode=MODES[mode]))
    def run(case) -> None:
        response = case.call(base_url=url, timeout=TIMEOUT_S)
        is_absent = operation.label == "POST /engines/add" and '"engine_unavailable"' in response.text
        check(400 if is_absent else response.status_code, response.text)  # nothing runs at an address made up

    run()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [2**63, -(2**63), 10**30, 1e308, "", "\0", "\u202e", "x" * 5000, "[1]", "<|im_start|>", "../..", [], {}]
    ),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@st.composite
def mutated(draw, bodies):
    """A good body after one to three changes, as bytes; now and then cut, or with bytes of something else in it."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, body)
    content = json.dumps(body).encode()
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place + draw(st.integers(0, 3)) :]
    return content


def _change(draw, value) -> None:
    """Go down a random way, then replace, remove or add."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(value[key], dict | list) and draw(st.booleans()):
            value = value[key]
            continue
        match draw(st.integers(0, 3)):
            case 0 | 1:
                value[key] = draw(ANYTHING)
            case 2:
                del value[key]
            case 3 if isinstance(value, dict):
                value[draw(st.text(max_size=8) | st.sampled_from(list(CHAT)))] = draw(ANYTHING)
            case _:
                value.append(draw(ANYTHING))
        return


def send_mutations(path: str, n: int, client: httpx2.Client) -> None:
    """Send changed bodies of a route."""

    @cases(n)
    @given(content=mutated(GOOD[path]))
    def run(content) -> None:
        response = client.post(path, content=content, headers={"content-type": "application/json"})
        check(response.status_code, response.text)

    run()


def test_the_document_is_valid_openapi() -> None:
    SCHEMA.validate()


@pytest.mark.parametrize("path", GOOD)
def test_the_good_bodies_are_good(client, path) -> None:
    for body in GOOD[path]:
        response = client.post(path, json=body)
        assert response.status_code < 500
        assert response.status_code in {200, 404} or path == "/v1/embeddings", response.text


@pytest.mark.parametrize(("operation", "mode"), DOCUMENTED)
def test_no_case_of_the_document_breaks_anything(url, operation, mode) -> None:
    send_cases(OPERATIONS[operation], mode, 4, url)


@pytest.mark.parametrize("path", GOOD)
def test_no_changed_body_breaks_anything(client, path) -> None:
    send_mutations(path, 25, client)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("operation", "mode"), DOCUMENTED)
def test_many_cases_of_the_document(url, operation, mode) -> None:
    send_cases(OPERATIONS[operation], mode, N_LONG // (2 * len(DOCUMENTED)) + 1, url)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", GOOD)
def test_many_changed_bodies(client, path) -> None:
    send_mutations(path, N_LONG // (2 * len(GOOD)) + 1, client)
