"""Sizes and shapes: a body that is no request is refused at once, and the engine never hears of it."""

import json
import re
import time

import httpx2
import pytest

from rag.api.app import create_app
from rag.api.body import JsonRoute
from rag.api.state import State
from rag.embed import FakeEncoder
from rag.settings import Settings

FAST_S = 0.1
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def service(serve_fake):
    with serve_fake("Yes.") as (url, engine):
        yield url, engine


@pytest.fixture(scope="module")
def client(service):
    with httpx2.Client(base_url=service[0]) as client:  # one connection: making one is the client's time
        yield client


def json_routes() -> dict[tuple[str, str], type]:
    """Method and path of every route that takes a JSON body, with the class of the route."""
    app = create_app(State(Settings()))
    document = app.openapi()
    return {
        (method, route.path): type(route)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if "application/json"
        in document["paths"].get(route.path, {}).get(method.lower(), {}).get("requestBody", {}).get("content", {})
    }


ROUTES = json_routes()
IDS = [f"{method} {path}" for method, path in ROUTES]


def test_every_json_body_goes_through_the_one_reader() -> None:
    others = [route for route, kind in ROUTES.items() if not issubclass(kind, JsonRoute)]
    assert not others, f"their router needs route_class=JsonRoute: {others}"


BODIES = {
    "no body": (b"", "invalid_json"),
    "white space": (b"  \n", "invalid_json"),
    "cut short": (b'{"model": "tiny", ', "invalid_json"),
    "an array": (b"[]", "invalid_json"),
    "a string": (b'"text"', "invalid_json"),
    "null": (b"null", "invalid_json"),
    "a number": (b"1", "invalid_json"),
    "single quotes": (b"{'model': 'tiny'}", "invalid_json"),
    "something behind": (b"{} {}", "invalid_json"),
    "NaN": (b'{"temperature": NaN}', "invalid_json"),
    "Infinity": (b'{"temperature": -Infinity}', "invalid_json"),
    "1e400": (b'{"temperature": 1e400}', None),
    "a long integer": (b'{"seed": 1%s}' % (b"0" * 400), None),
    "an integer beyond Python's digits": (b'{"seed": 1%s}' % (b"0" * 5000), "invalid_json"),
    "an integer of 65 bits": (b'{"seed": 18446744073709551616}', None),
    "100,000 open brackets": (b"[" * 100_000, "invalid_json"),
    "100,000 nested arrays": (b'{"x": %s%s}' % (b"[" * 100_000, b"]" * 100_000), "invalid_json"),
    "100,000 nested objects": (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "invalid_json"),
    "invalid UTF-8": (b'{"model": "\xff\xfe"}', "invalid_json"),
    "UTF-16": ('{"model": "tiny"}'.encode("utf-16"), "invalid_json"),
    "half of a surrogate pair": (b'{"model": "\\ud800"}', "invalid_json"),
    "half of a pair in a key": (b'{"\\udc00": 1}', "invalid_json"),
    "600,000 numbers": (b'{"input": [%s1]}' % (b"1," * 600_000), None),
    "600,000 keys": (b"{%s}" % b",".join([b'"":1'] * 600_000), None),
    "more keys than any object": (b"{%s}" % b",".join(b'"%d":1' % n for n in range(5000)), None),
    "an unknown field": (b'{"unheard": 1}', "unknown_parameter"),
    "an unknown field with a name of a megabyte": (b'{"%s": 1}' % (b"x" * 2**20), "unknown_parameter"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=IDS)
def test_what_is_no_request_is_refused_at_once(service, client, method, path, name) -> None:
    engine = service[1]
    content, code = BODIES[name]
    n_before = len(engine.salts)
    took = []
    for _ in range(5):  # on cores that others use too: the fastest is the service's own time
        start = time.perf_counter()
        response = client.request(method, _filled(path), content=content, headers=JSON)
        took.append(time.perf_counter() - start)
        if took[-1] < FAST_S:
            break
    assert response.status_code == 400, response.text[:500]
    error = envelope(response)
    assert error["type"] == "invalid_request_error"
    assert error["code"] == code
    assert len(response.content) < 5000, "it repeats what was sent"
    assert min(took) < FAST_S
    assert len(engine.salts) == n_before


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "nonsense"])
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=IDS)
def test_another_content_type_is_refused_by_name(service, method, path, content_type) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = httpx2.request(method, service[0] + _filled(path), content=b'{"model": "tiny"}', headers=headers)
    assert response.status_code == 400
    error = envelope(response)
    assert error["code"] == "unsupported_content_type"
    assert repr(content_type) in error["message"]


def test_json_by_another_name_is_json(service) -> None:
    for content_type in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"):
        body = json.dumps({"model": "fake", "input": "x"})
        response = httpx2.post(f"{service[0]}/v1/embeddings", content=body, headers={"content-type": content_type})
        assert response.status_code == 200, response.text


def test_a_key_that_stands_twice_has_its_last_value(service) -> None:
    body = b'{"model": "fake", "input": "first", "input": "last"}'
    response = httpx2.post(f"{service[0]}/v1/embeddings", content=body, headers=JSON)
    expected = FakeEncoder().encode_documents(["last"])[0]
    assert response.json()["data"][0]["embedding"] == pytest.approx(expected.tolist(), abs=1e-6)


def test_head_is_get_without_a_body_and_options_lists_the_methods(service) -> None:
    url = service[0]
    head = httpx2.head(f"{url}/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(httpx2.get(f"{url}/health").content))
    assert httpx2.head(f"{url}/v1/chat/completions").status_code == 405
    assert httpx2.head(f"{url}/nowhere").status_code == 404
    options = httpx2.options(f"{url}/v1/chat/completions")
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
    assert httpx2.options(f"{url}/health").headers["allow"] == "GET, HEAD, OPTIONS"
    assert httpx2.options(f"{url}/nowhere").status_code == 404


def test_a_wrong_method_is_told_the_right_ones(service) -> None:
    response = httpx2.put(f"{service[0]}/v1/embeddings", json={})
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"
    assert envelope(response)["type"] == "invalid_request_error"


def envelope(response) -> dict[str, object]:
    """The error of an answer, which is the envelope and nothing else."""
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error: dict[str, object] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    return error


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "none", path)
