"""`/v1/rag/collections/…/documents`, and why a search found a passage."""

import httpx2
import pytest
from openai import OpenAI


@pytest.fixture(scope="module")
def url(serve_fake, copy_data, tmp_path_factory):
    data_dir = copy_data(tmp_path_factory.mktemp("documents"))
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
