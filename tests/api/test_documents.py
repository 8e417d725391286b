"""`/v1/rag/collections/…/documents`, and why a search found a passage."""

from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Store


@pytest.fixture(scope="module")
def data_dir(copy_data, tmp_path_factory):
    return copy_data(tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="module")
def url(serve_fake, data_dir):
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _):
        yield url


@pytest.fixture
def client(url):
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def get(url: str, path: str, **params: str | int) -> dict:
    answer = httpx2.get(f"{url}/v1/rag/collections/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_documents_of_rag_ingest_are_listed_with_their_chunks(url, client) -> None:
    store = next(each for each in client.vector_stores.list() if each.name == "default")
    page = get(url, "default/documents", limit=100)
    assert page["total"] == len(page["data"]) == store.file_counts.total
    listed = {each["document"]: each for each in page["data"]}
    guide = next(each for path, each in listed.items() if path.startswith("guide/"))
    assert guide["status"] == "completed"
    assert guide["uploaded"] is False
    assert guide["chunks"] > 0
    assert guide["bytes"] > 0

    shown = get(url, f"default/documents/{guide['id']}", limit=1)
    assert {name: shown[name] for name in guide} == guide
    assert shown["collections"] == 1
    (first,) = shown["data"]
    text = client.files.content(guide["id"]).text
    assert text[first["source_start"] : first["source_end"]] == first["text"]
    assert {"heading", "line"} <= first["anchor"].keys()
    everything = get(url, f"default/documents/{guide['id']}", limit=100)["data"]
    assert [chunk["number"] for chunk in everything] == list(range(guide["chunks"]))
    assert get(url, f"default/documents/{guide['id']}", first=guide["chunks"])["data"] == []


def test_the_list_can_be_narrowed_by_name_and_paged(url) -> None:
    everything = get(url, "default/documents", limit=100)
    found = get(url, "default/documents", name="GUIDE/")
    assert 0 < found["total"] < everything["total"]
    assert all(each["document"].startswith("guide/") for each in found["data"])
    first = get(url, "default/documents", limit=1)
    assert first["has_more"]
    assert first["total"] == everything["total"]
    second = get(url, "default/documents", limit=1, after=first["last_id"])
    assert [*first["data"], *second["data"]] == everything["data"][:2]


def test_an_upload_is_listed_by_its_name_and_a_failed_one_with_its_cause(url, client) -> None:
    store = client.vector_stores.create(name="uploads")
    good = client.files.create(file=("station.md", b"# Station\n\nIt stands on a hill.\n"), purpose="user_data")
    bad = client.files.create(file=("broken.pdf", b"%PDF-1.7 and nothing behind it"), purpose="user_data")
    for file in (good, bad):
        client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, poll_interval_ms=20)
    newest, oldest = get(url, f"{store.id}/documents")["data"]
    assert (oldest["document"], oldest["status"], oldest["chunks"], oldest["uploaded"]) == (
        "station.md",
        "completed",
        1,
        True,
    )
    assert (newest["document"], newest["status"], newest["chunks"]) == ("broken.pdf", "failed", 0)
    assert newest["bytes"] == bad.bytes
    assert newest["last_error"]["code"] == "invalid_file"
    assert "no readable PDF" in newest["last_error"]["message"]
    assert get(url, f"{store.id}/documents/{bad.id}")["data"] == []

    other = client.vector_stores.create(name="others", file_ids=[good.id])
    assert get(url, f"{other.id}/documents/{good.id}")["collections"] == 2


def test_what_rag_ingest_could_not_read_is_listed_with_its_cause(url, client, tmp_path, data_dir) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "tide.md").write_text("# Tide\n\nThe tide is high at noon.\n")
    take_in(docs, data_dir)
    (docs / "tide.md").write_bytes(b"text \xff\x01 control")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing behind it")
    take_in(docs, data_dir)

    page = get(url, "nightly/documents")
    assert page["total"] == 2
    broken, tide = sorted(page["data"], key=lambda each: each["document"])  # of the same second, perhaps
    assert (broken["document"], broken["status"], broken["chunks"], broken["bytes"]) == (
        "broken.pdf",
        "failed",
        0,
        None,
    )
    assert broken["last_error"]["code"] == "invalid_file"
    assert "no readable PDF" in broken["last_error"]["message"]
    assert broken["failing_since"] == broken["created_at"]
    assert broken["uploaded"] is False
    assert (tide["document"], tide["status"], tide["chunks"]) == ("tide.md", "completed", 1)
    assert tide["last_error"]["message"].endswith("Searches find what it was before.")
    assert tide["failing_since"] >= tide["created_at"]
    for each in (broken, tide):
        shown = get(url, f"nightly/documents/{each['id']}")
        assert {name: shown[name] for name in each} == each
        assert len(shown["data"]) == each["chunks"]
    assert get(url, "nightly/documents", name="BROKEN")["total"] == 1
    store = next(each for each in client.vector_stores.list() if each.name == "nightly")
    assert [each.id for each in client.vector_stores.files.list(store.id)] == [tide["id"]]  # OpenAI's list is as it was
    facts = next(each for each in httpx2.get(f"{url}/ready").json()["collections"] if each["name"] == "nightly")
    assert facts["failed"] == 2

    (docs / "tide.md").write_text("# Tide\n\nThe tide is low at six.\n")
    (docs / "broken.pdf").unlink()
    take_in(docs, data_dir)
    (mended,) = get(url, "nightly/documents")["data"]
    assert (mended["id"], mended["last_error"], mended["failing_since"]) == (tide["id"], None, None)


def take_in(docs: Path, data_dir: Path) -> None:
    """What `rag ingest` does beside a running service."""
    with closing(Store(data_dir)) as store:
        ingest([docs], collection="nightly", store=store, encoder=FakeEncoder(), settings=Settings().ingest)


@pytest.mark.parametrize(
    ("path", "code"), [("none/documents", "collection_not_found"), ("default/documents/file-none", None)]
)
def test_what_does_not_exist_is_404(url, path, code) -> None:
    answer = httpx2.get(f"{url}/v1/rag/collections/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def search(url: str, query: str, **body: object) -> list[dict]:
    answer = httpx2.post(f"{url}/v1/vector_stores/default/search", json={"query": query, "max_num_results": 50, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_a_search_says_why_it_found_a_passage_if_it_is_asked(url) -> None:
    plain = search(url, "How long is the warranty?")
    assert all("match" not in hit for hit in plain)
    hits = search(url, "How long is the warranty?", rag={"include": ["match"]})
    assert [{name: hit[name] for name in hit if name != "match"} for hit in hits] == plain
    for hit in hits:
        dense, lexical = hit["match"]["dense"], hit["match"]["lexical"]
        assert dense["weight"] + lexical["weight"] == pytest.approx(1)
        assert hit["score"] == pytest.approx(
            dense["weight"] * dense["score"] + lexical["weight"] * lexical["score"], abs=1e-5
        )
        assert lexical["rank"] or lexical["score"] == 0
        is_by_words = lexical["weight"] * lexical["score"] > 0.01 * hit["score"]
        assert is_by_words == (hit["match"]["by"] in {"lexical", "both"})
    assert {hit["match"]["by"] for hit in hits} >= {"both", "dense"}
    best = min(
        (hit for hit in hits if hit["match"]["lexical"]["rank"]), key=lambda hit: hit["match"]["lexical"]["rank"]
    )
    assert best["match"]["lexical"]["score"] == 1
    assert "warranty" in best["content"][0]["text"].lower()
    ranks = [hit["match"]["dense"]["rank"] for hit in hits if hit["match"]["dense"]["rank"]]
    assert len(ranks) == len(set(ranks))


def test_a_word_that_occurs_nowhere_leaves_meaning_alone(url) -> None:
    hits = search(url, "zzyzx", rag={"include": ["match"]})
    assert {hit["match"]["by"] for hit in hits} == {"dense"}
    assert {hit["match"]["dense"]["weight"] for hit in hits} == {1}


def test_an_unknown_wish_is_refused(url) -> None:
    answer = httpx2.post(f"{url}/v1/vector_stores/default/search", json={"query": "a", "rag": {"include": ["all"]}})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("rag.include")
