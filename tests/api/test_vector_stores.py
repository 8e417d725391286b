"""Files and vector stores through the official client, on a real socket."""

import io
import time
from collections.abc import Iterator
from itertools import pairwise

import docx
import httpx2
import openai
import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Store

DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="module")
def clock() -> list[float]:
    """Seconds that the service's clock is ahead."""
    return [0.0]


@pytest.fixture(scope="module")
def url(serve_fake, data_dir, clock):
    with serve_fake("It is so [1].", settings={"data_dir": data_dir}, clock=lambda: time.time() + clock[0]) as (url, _):
        yield url


@pytest.fixture
def client(url) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def animals(client):
    """A vector store of three documents with attributes."""
    store = client.vector_stores.create(name="animals")
    for name, legs, wild in (("walrus", 0, True), ("badger", 4, True), ("hen", 2, False)):
        file = client.files.create(
            file=(f"{name}.md", f"# {name}\n\nThe {name} eats.\n".encode()), purpose="assistants"
        )
        added = client.vector_stores.files.create_and_poll(
            file.id, vector_store_id=store.id, attributes={"legs": legs, "wild": wild}, poll_interval_ms=20
        )
        assert added.status == "completed"
    return store


def upload(client: OpenAI, name: str, data: bytes) -> str:
    return client.files.create(file=(name, data), purpose="user_data").id


def found(client: OpenAI, store_id: str, query: str = "what eats?", **options) -> list[str]:
    return [hit.filename for hit in client.vector_stores.search(store_id, query=query, **options)]


def test_a_file_is_kept_byte_for_byte(client) -> None:
    data = bytes(range(256)) * 1000
    file = client.files.create(file=("ü/../odd näme.bin", data), purpose="user_data")
    assert (file.filename, file.bytes, file.purpose, file.status) == (
        "odd näme.bin",
        len(data),
        "user_data",
        "processed",
    )
    assert file.id.startswith("file-")
    assert client.files.content(file.id).read() == data
    assert client.files.retrieve(file.id) == file
    assert client.files.wait_for_processing(file.id) == file
    assert client.files.delete(file.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)


def test_files_of_every_kind_are_indexed_and_the_others_say_why_not(client) -> None:
    store = client.vector_stores.create(name="kinds")
    pdf = b"%PDF-1.4 this is no pdf"
    batch = client.vector_stores.file_batches.upload_and_poll(
        store.id,
        files=[
            ("a.md", b"# River\n\nThe river is long.\n"),
            ("b.txt", b"The lake is deep.\n"),
            ("c.html", b"<html><body><h1>Sea</h1><p>The sea is salty.</p></body></html>"),
            ("broken.pdf", pdf),
            ("image.png", b"\x89PNG\r\n\x1a\n\x00\x00"),
            ("empty.txt", b""),
        ],
        poll_interval_ms=20,
    )
    assert batch.status == "completed"
    counts = batch.file_counts
    assert (counts.completed, counts.failed, counts.in_progress, counts.total) == (3, 3, 0, 6)
    files = {each.id: each for each in client.vector_stores.files.list(store.id)}
    errors = {
        client.files.retrieve(file_id).filename: each.last_error.code
        for file_id, each in files.items()
        if each.last_error
    }
    assert errors == {"broken.pdf": "invalid_file", "image.png": "unsupported_file", "empty.txt": "invalid_file"}
    failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed")
    assert len(list(failed)) == 3
    assert found(client, store.id, "How deep is the lake?")[0] == "b.txt"
    done = client.vector_stores.retrieve(store.id)
    assert done.status == "completed"
    assert done.file_counts.completed == 3
    assert done.usage_bytes > 0


def test_office_files_and_mail_are_indexed_as_one_file_each(client) -> None:
    document, out = docx.Document(), io.BytesIO()
    document.add_heading("Falcons", 1)
    document.add_paragraph("The falcon eats at noon.")
    document.save(out)
    mail = b"Subject: Owls\nFrom: a@x.org\n\nThe owl eats at night.\n"
    files = [
        ("birds.docx", out.getvalue()),
        ("owl.eml", mail),
        ("hens.csv", b"Bird,Eats\nHen,at dawn\n"),
        ("all.zip", b"PK"),
    ]
    store = client.vector_stores.create(name="office")
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=files)
    assert (batch.file_counts.completed, batch.file_counts.failed) == (3, 1)
    assert found(client, store.id, "falcon eats at noon")[0] == "birds.docx"
    assert found(client, store.id, "Bird: Hen | Eats: at dawn")[0] == "hens.csv"
    (refused,) = client.vector_stores.files.list(store.id, filter="failed").data
    assert refused.last_error.code == "unsupported_file"
    assert "an archive" in refused.last_error.message


def test_a_search_finds_passages_with_their_place(client, animals) -> None:
    page = client.vector_stores.search(animals.id, query="what does the badger eat?", max_num_results=2)
    hits = list(page)
    assert len(hits) == 2
    best = hits[0]
    assert (best.filename, best.attributes) == ("badger.md", {"legs": 4, "wild": True})
    assert 0 <= hits[1].score <= best.score <= 1
    text = client.vector_stores.files.content(best.file_id, vector_store_id=animals.id).data[0].text
    extra = best.model_extra
    assert text[extra["source_start"] : extra["source_end"]] == best.content[0].text
    assert extra["anchor"]["heading"] == "badger"
    assert page.model_extra["search_query"] == ["what does the badger eat?"]


def test_several_queries_are_merged_and_weak_hits_left_out(client, animals) -> None:
    both = found(client, animals.id, ["badger", "hen"], max_num_results=2)
    assert set(both) == {"badger.md", "hen.md"}
    options = {"ranker": "default-2024-11-15", "score_threshold": 0.99}
    assert found(client, animals.id, "nothing of the kind", ranking_options=options) == []


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"type": "eq", "key": "wild", "value": True}, {"walrus.md", "badger.md"}),
        ({"type": "gte", "key": "legs", "value": 2}, {"badger.md", "hen.md"}),
        ({"type": "in", "key": "filename", "value": ["hen.md", "cow.md"]}, {"hen.md"}),
        (
            {
                "type": "and",
                "filters": [
                    {"type": "ne", "key": "document", "value": "walrus.md"},
                    {
                        "type": "or",
                        "filters": [
                            {"type": "lt", "key": "legs", "value": 1},
                            {"type": "eq", "key": "wild", "value": True},
                        ],
                    },
                ],
            },
            {"badger.md"},
        ),
    ],
)
def test_a_search_keeps_to_its_filter(client, animals, condition, names) -> None:
    assert set(found(client, animals.id, filters=condition)) == names


def test_new_attributes_hold_at_once_and_in_place_of_the_old(client, animals) -> None:
    file_id = next(
        each.id for each in client.vector_stores.files.list(animals.id) if each.attributes == {"legs": 2, "wild": False}
    )
    changed = client.vector_stores.files.update(file_id, vector_store_id=animals.id, attributes={"farm": "yes"})
    assert changed.attributes == {"farm": "yes"}
    assert found(client, animals.id, filters={"type": "eq", "key": "farm", "value": "yes"}) == ["hen.md"]
    assert "hen.md" not in found(client, animals.id, filters={"type": "eq", "key": "legs", "value": 2})


def test_a_detached_file_is_found_no_more_and_stays_a_file(client, animals) -> None:
    file_id = next(iter(client.vector_stores.files.list(animals.id))).id
    name = client.files.retrieve(file_id).filename
    gone = client.vector_stores.files.delete(file_id, vector_store_id=animals.id)
    assert (gone.id, gone.deleted, gone.object) == (file_id, True, "vector_store.file.deleted")
    assert name not in found(client, animals.id)
    assert client.vector_stores.retrieve(animals.id).file_counts.total == 2
    assert client.files.retrieve(file_id).filename == name
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(file_id, vector_store_id=animals.id)


def test_what_is_being_detached_is_neither_found_nor_shown(client, animals, data_dir) -> None:
    writer = Store(data_dir)
    with writer.draft(animals.id, FakeEncoder().info):  # the indexer has to wait, and the file stays in the index
        file = next(each for each in client.vector_stores.files.list(animals.id))
        name = client.files.retrieve(file.id).filename
        assert name in _shown(client, animals.id)
        client.vector_stores.files.delete(file.id, vector_store_id=animals.id)
        assert name not in found(client, animals.id)
        assert len(_shown(client, animals.id)) == 2
        assert name not in _shown(client, animals.id)
    writer.close()


def _shown(client: OpenAI, store_id: str) -> set[str]:
    """The documents that stand in the prompt of a question."""
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "What eats?"}],
        extra_body={"rag": {"collection": store_id, "include": ["context"]}},
    )
    return {each["document"] for each in answer.model_extra["rag"]["context"]}


def test_a_deleted_file_leaves_its_vector_stores(client, animals) -> None:
    file_id = next(iter(client.vector_stores.files.list(animals.id))).id
    client.files.delete(file_id)
    assert client.vector_stores.retrieve(animals.id).file_counts.total == 2
    assert file_id not in {hit.file_id for hit in client.vector_stores.search(animals.id, query="what eats?")}


def test_a_deleted_vector_store_leaves_its_files(client, animals) -> None:
    files = [each.id for each in client.vector_stores.files.list(animals.id)]
    gone = client.vector_stores.delete(animals.id)
    assert (gone.id, gone.deleted, gone.object) == (animals.id, True, "vector_store.deleted")
    for call in (client.vector_stores.retrieve, client.vector_stores.delete, client.vector_stores.files.list):
        with pytest.raises(openai.NotFoundError):
            call(animals.id)
    assert len([client.files.retrieve(file_id) for file_id in files]) == 3


def test_a_vector_store_is_modified_field_by_field(client) -> None:
    store = client.vector_stores.create(metadata={"a": "1"}, extra_body={"description": "words"})
    assert (store.name, store.status, store.usage_bytes, store.metadata) == (None, "completed", 0, {"a": "1"})
    assert store.model_extra["description"] == "words"
    named = client.vector_stores.update(store.id, name="named")
    assert (named.name, named.metadata) == ("named", {"a": "1"})
    expires = {"anchor": "last_active_at", "days": 2}
    limited = client.vector_stores.update(store.id, metadata={"b": "2"}, expires_after=expires)
    assert (limited.name, limited.metadata) == ("named", {"b": "2"})
    assert limited.expires_at == limited.last_active_at + 2 * DAY_S
    free = client.vector_stores.update(store.id, name=None, expires_after=None)
    assert (free.name, free.expires_after, free.expires_at) == (None, None, None)


def test_lists_are_paged_by_the_clients_iterators(client) -> None:
    store = client.vector_stores.create(name="many")
    ids = [upload(client, f"{number}.txt", f"number {number}".encode()) for number in range(25)]
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=ids, poll_interval_ms=20)
    assert batch.file_counts.completed == 25
    files = client.vector_stores.files
    assert [each.id for each in files.list(store.id, order="asc", limit=10)] == ids
    assert [each.id for each in files.list(store.id, limit=7)] == ids[::-1]
    assert [each.id for each in client.files.list(limit=4, order="asc") if each.id in ids] == ids
    in_batch = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, order="asc", limit=9)
    assert [each.id for each in in_batch] == ids
    page = files.list(store.id, order="asc", limit=5, before=ids[20])
    assert ([each.id for each in page.data], page.has_more) == (ids[15:20], True)
    with pytest.raises(openai.BadRequestError) as caught:
        files.list(store.id, after="file-none")
    assert caught.value.param == "after"
    stores = [client.vector_stores.create(name="twin").id for _ in range(3)]
    assert set(stores) <= {each.id for each in client.vector_stores.list(limit=2)}


def test_a_chunking_strategy_is_honoured_as_far_as_the_encoder_reads(client) -> None:
    text = " ".join(f"word{number}" for number in range(1000)).encode()
    store = client.vector_stores.create(name="cut")
    sizes = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 40}
    added = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("w.txt", text), chunking_strategy={"type": "static", "static": sizes}
    )
    assert added.chunking_strategy.model_dump()["static"] == sizes
    hits = [hit.model_extra for hit in client.vector_stores.search(store.id, query="word1", max_num_results=50)]
    spans = sorted((hit["source_start"], hit["source_end"]) for hit in hits)
    assert len(spans) == 17
    for (_, end), (start, _) in pairwise(spans):
        assert len(text[start:end].split()) == 40
    large = {"type": "static", "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 2048}}
    again = client.vector_stores.files.create_and_poll(added.id, vector_store_id=store.id, chunking_strategy=large)
    assert again.chunking_strategy.static.max_chunk_size_tokens == 510
    auto = client.vector_stores.files.create_and_poll(added.id, vector_store_id=store.id)
    assert auto.chunking_strategy.static.max_chunk_size_tokens == 200


def test_what_rag_ingest_put_in_is_there_and_the_other_way_round(client, data_dir, tmp_path) -> None:
    client_store = client.vector_stores.create(name="shared")
    mine = upload(client, "sent.md", b"# Sent\n\nThe parcel was sent.\n")
    client.vector_stores.files.create_and_poll(mine, vector_store_id=client_store.id)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "kept.md").write_text("# Kept\n\nThe letter was kept.\n")
    store = Store(data_dir)
    summary = ingest([tmp_path], collection="shared", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    assert (summary.new, summary.removed) == (1, 0)
    with store.pin("shared") as generation:
        assert {path for path, _ in generation.documents()} == {"sent.md", "inner/kept.md"}
    store.close()
    files = {each.id: each for each in client.vector_stores.files.list(client_store.id)}
    assert len(files) == 2
    (theirs,) = set(files) - {mine}
    assert files[theirs].chunking_strategy.type == "other"
    assert client.files.retrieve(theirs).filename == "kept.md"
    assert client.files.content(theirs).text == "# Kept\n\nThe letter was kept.\n"
    assert theirs not in {each.id for each in client.files.list()}
    with pytest.raises(openai.BadRequestError):
        client.files.delete(theirs)
    client.vector_stores.files.update(theirs, vector_store_id=client_store.id, attributes={"kept": True})
    condition = {"type": "eq", "key": "kept", "value": True}
    assert found(client, client_store.id, "letter", filters=condition) == ["kept.md"]
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Where is the letter?"}],
        extra_body={"rag": {"collection": client_store.id, "filter": condition, "include": ["context"]}},
    )
    assert {each["document"] for each in answer.model_extra["rag"]["context"]} == {"inner/kept.md"}
    client.vector_stores.files.delete(theirs, vector_store_id=client_store.id)
    assert found(client, client_store.id, "letter") == ["sent.md"]


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(serve_fake, tmp_path) -> None:
    limits = {"data_dir": tmp_path, "server": {"max_upload_bytes": 2**20, "max_body_bytes": 2**16}}
    with serve_fake("Yes.", settings=limits) as (url, _), OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        assert client.files.create(file=("most.bin", bytes(2**20)), purpose="user_data").bytes == 2**20
        kept = list((tmp_path / "files").iterdir())
        with pytest.raises(openai.APIStatusError) as caught:
            client.files.create(file=("more.bin", bytes(2**20 + 1)), purpose="user_data")
        assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
        assert "max_upload_bytes" in caught.value.message
        assert list((tmp_path / "files").iterdir()) == kept


def test_a_file_for_a_batch_expires_after_thirty_days(client) -> None:
    file = client.files.create(file=("b.jsonl", b"{}"), purpose="batch")
    assert file.expires_at == file.created_at + 30 * DAY_S


def test_what_has_expired_is_gone(client, clock, animals) -> None:
    client.vector_stores.update(animals.id, expires_after={"anchor": "last_active_at", "days": 1})
    temporary = client.files.create(
        file=("t.txt", b"soon gone"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert temporary.expires_at == temporary.created_at + 3600
    clock[0] += DAY_S - 60
    assert found(client, animals.id)  # which is activity
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(temporary.id)
    clock[0] += DAY_S - 60
    assert client.vector_stores.retrieve(animals.id).status == "completed"
    clock[0] += 61
    assert client.vector_stores.retrieve(animals.id).status == "expired"
    with pytest.raises(openai.BadRequestError, match="expired"):
        found(client, animals.id)
    deadline = time.monotonic() + 10
    while client.vector_stores.retrieve(animals.id).file_counts.total and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.vector_stores.retrieve(animals.id).file_counts.total == 0
    assert client.vector_stores.retrieve(animals.id).status == "expired"


def test_a_batch_in_progress_says_when_to_ask_again_and_can_be_cancelled(client) -> None:
    store = client.vector_stores.create()
    ids = [upload(client, f"{number}.txt", f"number {number} ".encode() * 20_000) for number in range(40)]
    batch = client.vector_stores.file_batches.create(store.id, file_ids=ids)
    raw = client.vector_stores.file_batches.with_raw_response.retrieve(batch.id, vector_store_id=store.id)
    assert raw.headers["openai-poll-after-ms"] == "500"
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert cancelled.status == "cancelled"
    counts = cancelled.file_counts
    assert counts.cancelled > 0
    assert counts.cancelled + counts.completed == counts.total == 40
    done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    assert done.status == "cancelled"
    client.vector_stores.delete(store.id)


def test_a_vector_store_deleted_while_it_is_indexed_is_gone_at_once(client, data_dir) -> None:
    store = client.vector_stores.create()
    ids = [upload(client, f"{number}.txt", f"number {number} ".encode() * 20_000) for number in range(10)]
    client.vector_stores.file_batches.create(store.id, file_ids=ids)
    time.sleep(0.3)
    client.vector_stores.delete(store.id)
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)
    deadline = time.monotonic() + 20
    while (data_dir / "collections" / store.id).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (data_dir / "collections" / store.id).exists()
    assert client.files.retrieve(ids[0])


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"name": "vs_mine"}, "name"),
        ("", {"name": "x" * 300}, "name"),
        ("", {"metadata": {"k": 1}}, "metadata.k"),
        ("", {"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ("", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ("", {"color": "red"}, "color"),
        ("/files", {"file_id": "file-none"}, "file_id"),
        ("/files", {"file_id": "f", "attributes": {"a": None}}, "attributes"),
        ("/files", {"file_id": "f", "attributes": {"a" * 65: 1}}, "attributes"),
        ("/files", {"file_id": "f", "chunking_strategy": {"type": "static"}}, "chunking_strategy"),
        (
            "/files",
            {
                "file_id": "f",
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 50, "chunk_overlap_tokens": 0},
                },
            },
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
        (
            "/files",
            {
                "file_id": "f",
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 101},
                },
            },
            "chunking_strategy.static",
        ),
        ("/file_batches", {}, None),
        ("/file_batches", {"file_ids": []}, "file_ids"),
        ("/file_batches", {"file_ids": ["a"], "files": [{"file_id": "a"}]}, None),
        ("/search", {"query": ""}, None),
        ("/search", {"query": []}, None),
        ("/search", {"query": "a", "max_num_results": 51}, "max_num_results"),
        ("/search", {"query": "a", "filters": {"type": "eq"}}, "filters.key"),
        ("/search", {"query": "a", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        ("/search", {"query": "a", "ranking_options": {"score_threshold": 2}}, "ranking_options.score_threshold"),
    ],
)
def test_wrong_bodies_are_refused_by_name(client, url, animals, path, body, param) -> None:
    target = f"{url}/v1/vector_stores" + (f"/{animals.id}{path}" if path else "")
    response = httpx2.post(target, json=body)
    assert response.status_code == (404 if param == "file_id" else 400)
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"files": {"file": ("a.txt", b"a")}}, "purpose"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"purpose": "fun"}}, "purpose"),
        ({"data": {"purpose": "user_data"}, "files": {"other": ("a.txt", b"a")}}, "file"),
        (
            {
                "files": {"file": ("a.txt", b"a")},
                "data": {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "60"},
            },
            "expires_after.seconds",
        ),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"purpose": "batch", "color": "red"}}, "color"),
        ({"json": {"purpose": "batch"}}, None),
        ({"content": b"--x\r\nnonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}}, None),
        ({"content": b"", "headers": {"content-type": "multipart/form-data; boundary=x"}}, None),
    ],
)
def test_wrong_forms_are_refused_and_leave_nothing(url, data_dir, form, param) -> None:
    before = sorted(path.name for path in (data_dir / "files").glob("*"))
    response = httpx2.post(f"{url}/v1/files", **form)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert sorted(path.name for path in (data_dir / "files").glob("*")) == before
