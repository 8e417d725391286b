"""Who may call what: every route of the application, with every kind of key."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

from rag.api.app import create_app
from rag.api.state import State
from rag.auth import Keys, Scope
from rag.cli.frame import run
from rag.settings import Settings
from rag.store import Grant, KeyStore, Store

NO_ID = "0" * 32
CHAT, EMBEDDINGS, INGEST, ADMIN = Scope
ASK = {"model": "tiny", "messages": [{"role": "user", "content": "How is the station installed?"}]}


Named = tuple[str, dict[str, object] | None]  # path and body that name something of group g


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route.

    scopes: one of them is needed; none: any key will do. body: what is sent. foreign: requests that name something of
    group g, which group g is answered and everyone else is told does not exist; none: the route names nothing that
    belongs to anyone.
    """

    scopes: tuple[Scope, ...] = ()
    body: dict[str, object] | None = None
    foreign: tuple[Named, ...] = ()


SECRET = {"rag": {"collection": "secret"}}
RESPONSE = {"model": "tiny", "input": "How is the station installed?"}
CONTINUED = {**RESPONSE, **SECRET, "previous_response_id": "{response}"}

STORE = "/v1/vector_stores/{store}"
READS, CHANGES = (CHAT, INGEST), (INGEST,)

# Every route there is, those that delete last. A new one fails here until it says who may call it.
ROUTES: dict[str, Access] = {
    "POST /v1/chat/completions": Access((CHAT,), ASK, (("/v1/chat/completions", {**ASK, **SECRET}),)),
    "POST /v1/completions": Access((CHAT,), {"model": "tiny", "prompt": "The station"}),
    "POST /v1/responses": Access(
        (CHAT,), RESPONSE, (("/v1/responses", {**RESPONSE, **SECRET}), ("/v1/responses", CONTINUED))
    ),
    "POST /v1/responses/input_tokens": Access(
        (CHAT,), RESPONSE, (("/v1/responses/input_tokens", {**RESPONSE, "previous_response_id": "{response}"}),)
    ),
    "GET /v1/responses/{response_id}": Access((CHAT,), None, (("/v1/responses/{response}", None),)),
    "GET /v1/responses/{response_id}/input_items": Access(
        (CHAT,), None, (("/v1/responses/{response}/input_items", None),)
    ),
    "POST /v1/responses/{response_id}/cancel": Access((CHAT,), None, (("/v1/responses/{response}/cancel", None),)),
    "POST /v1/embeddings": Access((EMBEDDINGS,), {"model": "fake", "input": "A station."}),
    "GET /v1/models": Access((CHAT, EMBEDDINGS)),
    "GET /v1/models/{model:path}": Access((CHAT, EMBEDDINGS)),
    "GET /v1/sources/{chunk_id}": Access((CHAT,), None, (("/v1/sources/{chunk}", None),)),
    "GET /v1/sources/{chunk_id}/document": Access((CHAT,), None, (("/v1/sources/{chunk}/document", None),)),
    "GET /v1/sources/{chunk_id}/page.png": Access((CHAT,), None, (("/v1/sources/{chunk}/page.png", None),)),
    "POST /v1/files": Access(CHANGES),
    "GET /v1/files": Access(READS),
    "GET /v1/files/{file_id}": Access(READS, None, (("/v1/files/{file}", None),)),
    "GET /v1/files/{file_id}/content": Access(READS, None, (("/v1/files/{file}/content", None),)),
    "POST /v1/vector_stores": Access(CHANGES, {"name": "new"}, (("/v1/vector_stores", {"file_ids": ["{file}"]}),)),
    "GET /v1/vector_stores": Access(READS),
    "GET /v1/vector_stores/{store_id}": Access(READS, None, ((STORE, None),)),
    "POST /v1/vector_stores/{store_id}": Access(CHANGES, {}, ((STORE, {"metadata": {"a": "b"}}),)),
    "POST /v1/vector_stores/{store_id}/search": Access(
        (CHAT,), {"query": "How?"}, ((f"{STORE}/search", {"query": "How?"}),)
    ),
    "POST /v1/vector_stores/{store_id}/files": Access(
        CHANGES, {"file_id": "none"}, ((f"{STORE}/files", {"file_id": "{file}"}),)
    ),
    "GET /v1/vector_stores/{store_id}/files": Access(READS, None, ((f"{STORE}/files", None),)),
    "GET /v1/vector_stores/{store_id}/files/{file_id}": Access(READS, None, ((f"{STORE}/files/{{file}}", None),)),
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content": Access(
        READS, None, ((f"{STORE}/files/{{file}}/content", None),)
    ),
    "POST /v1/vector_stores/{store_id}/files/{file_id}": Access(
        CHANGES, {"attributes": {}}, ((f"{STORE}/files/{{file}}", {"attributes": {"a": "b"}}),)
    ),
    "POST /v1/vector_stores/{store_id}/file_batches": Access(
        CHANGES, {"file_ids": ["none"]}, ((f"{STORE}/file_batches", {"file_ids": ["{file}"]}),)
    ),
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}": Access(
        READS, None, ((f"{STORE}/file_batches/{{batch}}", None),)
    ),
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files": Access(
        READS, None, ((f"{STORE}/file_batches/{{batch}}/files", None),)
    ),
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel": Access(
        CHANGES, None, ((f"{STORE}/file_batches/{{batch}}/cancel", None),)
    ),
    "GET /v1/rag/reuse": Access((CHAT,), None, (("/v1/rag/reuse?collection={store}", None),)),
    "GET /v1/rag/collections/{collection}/documents": Access(
        READS, None, (("/v1/rag/collections/{store}/documents", None),)
    ),
    "GET /v1/rag/collections/{collection}/documents/{file_id}": Access(
        READS, None, (("/v1/rag/collections/{store}/documents/{file}", None),)
    ),
    "POST /warm": Access((ADMIN,), {}, (("/warm", {"collection": "secret"}),)),
    "GET /metrics": Access((ADMIN,)),
    "GET /engines": Access((ADMIN,)),
    "POST /engines/add": Access((ADMIN,), {}),
    "POST /engines/drain": Access((ADMIN,), {"engine": "none"}),
    "POST /engines/remove": Access((ADMIN,), {"engine": "none"}),
    "DELETE /v1/responses/{response_id}": Access((CHAT,), None, (("/v1/responses/{response}", None),)),
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}": Access(CHANGES, None, ((f"{STORE}/files/{{file}}", None),)),
    "DELETE /v1/vector_stores/{store_id}": Access(CHANGES, None, ((STORE, None),)),
    "DELETE /v1/files/{file_id}": Access(CHANGES, None, (("/v1/files/{file}", None),)),
}
PAGES = {"GET /", "GET /reuse", "GET /documents", "GET /docs", "GET /static/{wanted}/{path:path}"}
WITHOUT_KEY = {"GET /health", "GET /ready", "GET /openapi.json", *PAGES}


def routes() -> Iterator[str]:
    """Method and path of every route of the application."""
    for route in create_app(State(Settings())).routes:
        for method in getattr(route, "methods", None) or {"GET"}:
            if method != "HEAD":  # answered by the same code as GET
                yield f"{method} {route.path}"  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class World:
    """A service with keys, and things that are group g's alone."""

    url: str
    own: str  # a key of group g with every scope but admin
    granted: str  # a key of group h that may read one collection of group g
    keys: dict[str, str]
    things: dict[str, str]  # ids by the placeholder that stands for them in `Access.foreign`
    client: httpx2.Client

    def call(self, route: str, key: str | None, body: dict[str, object] | None = None) -> httpx2.Response:
        """A route as it is, with some word where its path has a parameter."""
        method, pattern = route.split(" ", 1)
        return self._send(method, re.sub(r"\{[^}]*\}", "tiny", pattern), key, body)

    def name(self, route: str, key: str, named: Named, things: dict[str, str]) -> httpx2.Response:
        """A route with things named in path and body."""
        path, body = named
        sent = json.dumps(body).replace("secret", things["secret"])
        for name, thing in things.items():
            sent = sent.replace(f"{{{name}}}", thing)
        return self._send(route.split(" ", 1)[0], path.format(**things), key, json.loads(sent))

    def _send(self, method: str, path: str, key: str | None, body: object) -> httpx2.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.client.request(method, path, json=body, headers=headers)


@pytest.fixture(scope="module")
def world(serve_fake, copy_data, key_in, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data_dir = copy_data(tmp_path_factory.mktemp("world"))
    make_key = partial(key_in, data_dir)
    store = Store(data_dir)
    with store.pin("secret") as secret:
        chunk = secret.ordered_chunks()[0].id
    store.close()
    made = {scope.value: make_key(scope.value, group="h") for scope in Scope}
    made |= {"revoked": make_key(), "expired": make_key(expires_at=int(time.time()) - 1)}
    made |= {"wrong": made["chat"][:-4] + "zzzz", "unknown": "rag_0123456789ab_" + "0" * 64, "other kind": "sk-proj-1"}
    with closing(Keys(KeyStore(data_dir))) as keys:
        keys.revoke(made["revoked"])
    with serve_fake("At 90 seconds.", settings={"data_dir": data_dir}) as (url, _):
        own = make_key("chat", "embeddings", "ingest", group="g")
        with OpenAI(base_url=f"{url}/v1", api_key=own, max_retries=0) as client:
            things = {"secret": "secret", "chunk": chunk}
            things["response"] = client.responses.create(**RESPONSE, extra_body=SECRET).id
            things["file"] = client.files.create(file=("notes.md", b"# Notes"), purpose="user_data").id
            things["store"] = client.vector_stores.create(name="notes").id
            things["batch"] = client.vector_stores.file_batches.create(things["store"], file_ids=[things["file"]]).id
            client.vector_stores.file_batches.poll(things["batch"], vector_store_id=things["store"])
        granted = make_key(group="h", collections=[Grant(name="notes", id=things["store"])])
        with httpx2.Client(base_url=url, timeout=60) as plain:
            yield World(url, own, granted, made, things, plain)


def test_every_route_says_here_who_may_call_it() -> None:
    assert sorted(routes()) == sorted([*ROUTES, *WITHOUT_KEY])


def test_no_route_opens_to_what_is_no_valid_key(world) -> None:
    refusals = set()
    for route in [*ROUTES, "GET /nowhere", "DELETE /v1/models"]:
        access = ROUTES.get(route, Access())
        for kind in (None, "wrong", "unknown", "other kind", "revoked", "expired"):
            answer = world.call(route, world.keys[kind] if kind else None, body=access.body)
            assert answer.status_code == 401, (route, kind)
            assert answer.headers["www-authenticate"].startswith("Bearer"), (route, kind)
            assert answer.headers["x-request-id"], (route, kind)
            refusals.add(answer.text)
    assert len(refusals) == 1  # nothing tells which of them it was
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic cmFnOnJhZw==", "rag_1_2", "Bearer \xff"])
def test_a_header_that_is_no_bearer_opens_nothing(world, header) -> None:
    headers = {"authorization": header.encode("latin-1")}
    for path in ("/v1/models", "/ready"):
        assert httpx2.get(world.url + path, headers=headers).status_code == 401


def test_a_route_is_refused_to_a_key_without_its_scope_by_name(world) -> None:
    for route, access in ROUTES.items():
        for scope in Scope:
            answer = world.call(route, world.keys[scope.value], body=access.body)
            if not access.scopes or scope in access.scopes or scope is ADMIN:
                assert answer.status_code not in (401, 403), (route, scope)
                continue
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (403, "insufficient_permissions"), (route, scope)
            assert repr(access.scopes[0].value) in error["message"], (route, scope)


def test_no_listing_names_what_another_group_has(world) -> None:
    for route, name in (("GET /v1/files", "file"), ("GET /v1/vector_stores", "store")):
        assert world.things[name] in world.call(route, world.own).text
    for route, access in ROUTES.items():
        for scope in access.scopes or Scope:
            answer = world.call(route, world.keys[scope.value], access.body)
            named = [name for name, thing in world.things.items() if name != "secret" and thing in answer.text]
            assert named == [], route


def test_a_collection_that_another_group_grants_is_read_and_not_changed(world) -> None:
    for route, access in ROUTES.items():
        for named in access.foreign:
            if named[0].startswith(STORE):
                answer = world.name(route, world.granted, named, world.things)
                assert answer.status_code == (403 if access.scopes == CHANGES else 200), route


def test_what_another_group_has_is_not_there(world) -> None:
    unreal = dict.fromkeys(world.things, NO_ID)
    for route, access in ROUTES.items():
        for named in access.foreign:
            key = world.keys[access.scopes[0].value]
            foreign = world.name(route, key, named, world.things)
            nothing = world.name(route, key, named, unreal)
            assert (foreign.status_code, nothing.status_code) == (404, 404), route
            said = reduce(lambda text, thing: text.replace(thing, NO_ID), world.things.values(), foreign.text)
            assert said == nothing.text, route  # but for the name that was sent, nothing tells them apart
            if ADMIN not in access.scopes:
                assert world.name(route, world.own, named, world.things).status_code in {200, 400}, route


def test_probes_need_no_key_and_learn_nothing(world) -> None:
    assert httpx2.get(f"{world.url}/health", headers={"authorization": "Bearer wrong"}).status_code == 200
    for key in (None, world.keys["chat"]):
        assert world.call("GET /ready", key).json() == {"status": "ready"}
    assert world.call("GET /ready", world.keys["wrong"]).status_code == 401
    full = world.call("GET /ready", world.keys["admin"]).json()
    assert full["engines"][0]["state"] == "ready"
    assert not {"default", "secret"} & {each["name"] for each in full["collections"]}  # of its own group alone


def test_openais_client_sees_its_own_exceptions(world) -> None:
    with OpenAI(base_url=f"{world.url}/v1", api_key="replaced below", max_retries=0) as client:
        for kind in ("wrong", "revoked", "expired"):
            with pytest.raises(openai.AuthenticationError) as refused:
                client.with_options(api_key=world.keys[kind]).models.list()
            assert refused.value.code == "invalid_api_key"
        chat = client.with_options(api_key=world.keys["chat"])
        with pytest.raises(openai.PermissionDeniedError) as denied:
            chat.embeddings.create(model="fake", input="x")
        assert denied.value.code == "insufficient_permissions"
        with pytest.raises(openai.NotFoundError) as missing:
            chat.chat.completions.create(**ASK, extra_body={"rag": {"collection": "secret"}})
        assert missing.value.code == "collection_not_found"
        embeddings = client.with_options(api_key=world.keys["embeddings"])
        assert [model.id for model in embeddings.models.list()] == ["tiny", "fake"]


def test_keys_count_from_the_moment_they_are_made_and_revoked(serve_fake, data_dir: Path, make_key) -> None:
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _):
        with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as anyone:
            assert anyone.models.list().data
            key = make_key()
            with pytest.raises(openai.AuthenticationError):
                anyone.models.list()
        with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
            assert client.models.list().data
            assert run(["keys", "revoke", key, "--data-dir", str(data_dir)]) == 0
            with pytest.raises(openai.AuthenticationError):
                client.models.list()


def test_beyond_loopback_the_first_request_needs_a_key(serve_fake, data_dir: Path) -> None:
    settings = {"data_dir": data_dir, "server": {"host": "0.0.0.0"}}
    with serve_fake("Yes.", settings=settings) as (url, _):
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        assert httpx2.get(f"{url}/ready").json() == {"status": "ready"}


def test_beyond_loopback_a_service_without_keys_does_not_start(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--host", "0.0.0.0", "--data-dir", str(data_dir)]) == 2
    assert "rag keys create" in capsys.readouterr().err


def test_groups_share_no_cache_and_a_key_sees_what_it_was_given(serve_fake, data_dir: Path, make_key) -> None:
    store = Store(data_dir)
    given = [store.collection("default").id]
    store.close()

    grants = [Grant(name="default", id=given[0])]
    one, two = make_key(group="a", collections=grants), make_key(group="b", collections=grants)
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, engine):
        cached = []
        for key in (one, one, two, two):
            with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                answer = client.chat.completions.create(**ASK, extra_body={"cache_salt": "mine"})
                cached.append(answer.usage.prompt_tokens_details.cached_tokens > 0)
        assert cached == [False, True, False, True]
        salts = engine.salts[-4:]
        assert salts[0] == salts[1] != salts[2] == salts[3]
        assert "mine" not in salts
        with OpenAI(base_url=f"{url}/v1", api_key=one, max_retries=0) as client, pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**ASK, extra_body={"rag": {"collection": "secret"}})


def test_commands_on_the_same_machine_need_no_key(
    serve_fake, data_dir: Path, make_key, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(group="a")
    here = ["--data-dir", str(data_dir)]
    with serve_fake("Yes.", settings={"data_dir": data_dir}, is_announced=True) as (url, _):
        for words in (["ask", "Is it?"], ["ask", "Is it?", "-c", "secret"], ["warm"], ["status"]):
            assert run([*words, *here]) == 0, words
        assert "secret" in capsys.readouterr().out
        assert run(["ask", "Is it?", "--api-key", "wrong", *here]) == 2
        assert "No valid API key" in capsys.readouterr().err

        elsewhere = ["--data-dir", str(data_dir.parent / "none"), "--url", url]
        assert run(["ask", "Is it?", *elsewhere]) == 2
        monkeypatch.setenv("RAG_API_KEY", key)
        assert run(["ask", "Is it?", *elsewhere]) == 1  # a key that is right, of a group without collections
        assert "no collection 'default'" in capsys.readouterr().err
        assert run(["ask", "Is it?", "-c", "secret", *here]) == 0  # here it is not needed, and not used
        assert run(["config", *here]) == 0
        assert key not in capsys.readouterr().out
