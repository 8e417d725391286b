"""Files and vector stores of one access group do not exist for another."""

import httpx2
import openai
import pytest
from openai import OpenAI

from rag.auth import Keys, Scope
from rag.store import KeyStore

GROUPS = ("red", "blue")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("groups")


@pytest.fixture(scope="module")
def tokens(data_dir) -> dict[str, str]:
    store = KeyStore(data_dir)
    keys = Keys(store)
    made = {group: keys.create(group, group=group)[1] for group in GROUPS}
    made["reader"] = keys.create("reader", group="red", scopes=[Scope.CHAT])[1]
    store.close()
    return made


@pytest.fixture(scope="module")
def url(serve_fake, data_dir, tokens):
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _):
        yield url


@pytest.fixture
def clients(url, tokens) -> dict[str, OpenAI]:
    return {name: OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0) for name, token in tokens.items()}


@pytest.fixture
def red(clients):
    """A vector store of the red group, its file and a batch of it."""
    client = clients["red"]
    store = client.vector_stores.create(name="plans")
    file = client.files.create(file=("plan.md", b"# Plan\n\nThe red plan.\n"), purpose="assistants")
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id], poll_interval_ms=20)
    assert batch.file_counts.completed == 1
    return {"store": store.id, "file": file.id, "batch": batch.id}


def routes(store: str, file: str, batch: str) -> list[tuple[str, str, dict | None]]:
    base = f"/v1/vector_stores/{store}"
    return [
        ("GET", f"/v1/files/{file}", None),
        ("GET", f"/v1/files/{file}/content", None),
        ("DELETE", f"/v1/files/{file}", None),
        ("GET", base, None),
        ("POST", base, {"name": "mine"}),
        ("DELETE", base, None),
        ("POST", f"{base}/search", {"query": "plan"}),
        ("GET", f"{base}/files", None),
        ("POST", f"{base}/files", {"file_id": file}),
        ("GET", f"{base}/files/{file}", None),
        ("POST", f"{base}/files/{file}", {"attributes": {"a": 1}}),
        ("DELETE", f"{base}/files/{file}", None),
        ("GET", f"{base}/files/{file}/content", None),
        ("POST", f"{base}/file_batches", {"file_ids": [file]}),
        ("GET", f"{base}/file_batches/{batch}", None),
        ("POST", f"{base}/file_batches/{batch}/cancel", None),
        ("GET", f"{base}/file_batches/{batch}/files", None),
    ]


def test_another_group_gets_what_does_not_exist(url, tokens, red) -> None:
    unknown = {"store": "vs_" + "0" * 24, "file": "file-" + "0" * 24, "batch": "vsfb_" + "0" * 24}
    headers = {"authorization": f"Bearer {tokens['blue']}"}
    for (method, path, body), (_, nowhere, nothing) in zip(routes(**red), routes(**unknown), strict=True):
        theirs = httpx2.request(method, url + path, json=body, headers=headers)
        none = httpx2.request(method, url + nowhere, json=nothing, headers=headers)
        assert theirs.status_code == none.status_code == 404, path
        expected = none.text
        for name, value in red.items():
            expected = expected.replace(unknown[name], value)
        assert theirs.text == expected, path


def test_lists_have_only_what_is_ones_own(clients, red) -> None:
    assert red["store"] in {store.id for store in clients["red"].vector_stores.list()}
    assert red["file"] in {file.id for file in clients["red"].files.list()}
    assert list(clients["blue"].vector_stores.list()) == list(clients["blue"].files.list()) == []


def test_a_foreign_file_cannot_be_attached_to_ones_own_store(clients, red) -> None:
    mine = clients["blue"].vector_stores.create(name="mine")
    for call in (
        lambda: clients["blue"].vector_stores.files.create(mine.id, file_id=red["file"]),
        lambda: clients["blue"].vector_stores.file_batches.create(mine.id, file_ids=[red["file"]]),
        lambda: clients["blue"].vector_stores.create(file_ids=[red["file"]]),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    clients["blue"].vector_stores.delete(mine.id)


def test_the_same_name_in_two_groups_is_two_stores(clients, red) -> None:
    mine = clients["blue"].vector_stores.create(name="plans")
    assert clients["blue"].vector_stores.retrieve("plans").id == mine.id
    assert list(clients["blue"].vector_stores.search("plans", query="the red plan")) == []
    clients["blue"].vector_stores.delete(mine.id)


def test_a_key_without_ingest_reads_and_changes_nothing(url, tokens, red) -> None:
    headers = {"authorization": f"Bearer {tokens['reader']}"}
    for method, path, body in routes(**red):
        status = httpx2.request(method, url + path, json=body, headers=headers).status_code
        reads = method == "GET" or path.endswith("/search")
        assert status == (200 if reads else 403), (method, path)
    form = {"files": {"file": ("a.txt", b"a")}, "data": {"purpose": "user_data"}}
    assert httpx2.post(f"{url}/v1/files", headers=headers, **form).status_code == 403
    assert httpx2.post(f"{url}/v1/vector_stores", headers=headers, json={}).status_code == 403
