"""Links of citations: they open at the quote whatever happens to the document, and without a key while they hold."""

import os
import re
import runpy
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.auth import Keys
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Grant, KeyStore, Store

make_pdf = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "test_readers.py"))["make_pdf"]

HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
QUOTE = "The frost alert is sent when the air cools to 2 degrees Celsius."
TEXT = f"# Alerts\n\nAn introduction of no use.\n\n## Frost\n\n{QUOTE} It rings twice.\n\n# End\n\nNo more.\n"
PDF_QUOTE = "The tide sensor reads every 90 seconds."
DAY_S = 24 * 3600


class World:
    """A folder of documents in a collection `notes`, and a service over it."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.docs = folder / "docs"
        self.docs.mkdir()
        (self.docs / "alerts.md").write_text(TEXT)
        (self.docs / "sensor.pdf").write_bytes(make_pdf("Contents of little use", PDF_QUOTE))
        self.now = time.time()
        self.ingest()

    def ingest(self, group: str | None = None) -> None:
        store = Store(self.data_dir)
        settings = Settings().ingest
        ingest([self.docs], collection="notes", store=store, encoder=FakeEncoder(), settings=settings, group=group)
        store.close()

    def cite(self, url: str, reply: str, key: str = "any") -> dict[str, object]:
        """The first citation of an answer that says `reply`."""
        return self.citations(url, reply, key)[0]

    def citations(self, url: str, reply: str, key: str = "any") -> list[dict[str, object]]:
        with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
            question = [{"role": "user", "content": reply}]
            said = client.chat.completions.create(
                model="tiny", messages=question, extra_body={"rag": {"collection": "notes"}}
            )
        found = said.model_extra["rag"]["citations"]
        assert said.choices[0].message.annotations[0].url_citation.url == found[0]["url"]
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def serve(serve_fake, world):
    @contextmanager
    def start(reply: str = QUOTE, **server: object) -> Iterator[str]:
        settings = {"data_dir": world.data_dir, "server": server}
        with serve_fake(reply, settings=settings, clock=lambda: world.now) as (url, _):
            yield url

    return start


def page(url: str, key: str | None = None) -> httpx2.Response:
    headers = HTML if key is None else {**HTML, "authorization": f"Bearer {key}"}
    return httpx2.get(url, headers=headers, timeout=60)


def marked(response: httpx2.Response) -> str:
    assert response.status_code == 200, response.text
    return re.search(r"<mark[^>]*>(.*?)</mark>", response.text, re.DOTALL)[1]


def changed(url: str, **params: str) -> str:
    """The link with other parameters."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | params
    return parts._replace(query=urlencode(query)).geturl()


def test_the_link_of_a_citation_opens_at_its_quote(serve, world) -> None:
    with serve() as url:
        link = world.cite(url, QUOTE)["url"]
        assert link.startswith(f"{url}/v1/sources/")
        assert len(link) < 260
        opened = page(link)
        assert marked(opened) == QUOTE
        for name in ('<h1 dir="auto">Alerts', "notes", "alerts.md", "<bdi>Alerts</bdi>", "<bdi>7</bdi>"):
            assert name in opened.text
        assert "no longer" not in opened.text
        for name, value in {
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cache-control": "private, no-cache",
        }.items():
            assert opened.headers[name] == value
        policy = opened.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        source = httpx2.get(link).json()
        assert TEXT[source["source_start"] : source["source_end"]] == source["text"]
        names = "chunk_id collection document title anchor source_start source_end text before after"
        assert set(source) == set(names.split())
        assert httpx2.get(link.replace("?", "/document?", 1)).text == TEXT


@pytest.mark.parametrize(
    ("now", "shown", "notice"),
    [
        (TEXT.replace("no use", "great use"), QUOTE, "The quoted words now stand here."),
        ("A new preface, and more. " * 200 + "\n\n" + TEXT, QUOTE, "The quoted words now stand here."),
        (TEXT.replace(QUOTE, QUOTE.upper()), QUOTE.upper(), "other spacing, case"),
    ],
    ids=["an edit before it", "another chunking", "another spelling"],
)
def test_a_link_opens_at_its_quote_when_the_document_has_changed(serve, world, now, shown, notice) -> None:
    with serve() as url:
        link = world.cite(url, QUOTE)["url"]
        (world.docs / "alerts.md").write_text(now)
        world.ingest()
        opened = page(link)
        assert marked(opened) == shown
        assert notice in opened.text
        assert page(changed(link, **{"from": "0"})).text.count(notice) == (now.index(shown) < 6000)
        source = httpx2.get(link).json()
        assert shown in source["text"]
        assert source["chunk_id"] not in link


def test_a_link_says_that_its_quote_or_its_document_is_gone(serve, world) -> None:
    with serve() as url:
        link = world.cite(url, QUOTE)["url"]
        (world.docs / "alerts.md").write_text(TEXT.replace("2 degrees", "5 degrees"))
        world.ingest()
        opened = page(link)
        assert opened.status_code == 200
        assert "no longer stand in it" in opened.text
        assert "<mark" not in opened.text
        assert "5 degrees" in opened.text
        assert "no longer says what was quoted" in httpx2.get(link).json()["error"]["message"]
        assert "5 degrees" in httpx2.get(link.replace("?", "/document?", 1)).text
        (world.docs / "alerts.md").unlink()
        world.ingest()
        gone, error = page(link), httpx2.get(link)
        assert gone.status_code == error.status_code == 404
        assert gone.headers["content-type"].startswith("text/html")
        assert "removed, renamed" in gone.text
        assert error.json()["error"]["code"] == "source_not_found"


@pytest.mark.parametrize(
    "params",
    [
        {"at": "9-3"},
        {"at": "1-999999"},
        {"at": "x"},
        {"at": "1"},
        {"at": "-1-5"},
        {"quote": "../.."},
        {"from": "-1"},
        {"from": "x"},
    ],
)
def test_a_link_that_is_not_one_is_a_400(serve, world, params) -> None:
    with serve() as url:
        link = changed(world.cite(url, QUOTE)["url"], **params)
        assert httpx2.get(link).status_code == page(link).status_code == 400
        assert "This link is not whole" in page(link).text
        assert set(httpx2.get(link).json()["error"]) == {"message", "type", "param", "code"}


def test_offsets_that_are_past_the_end_find_the_quote_by_its_words(serve, world) -> None:
    with serve() as url:
        link = changed(world.cite(url, QUOTE)["url"], at=f"900000-{900000 + len(QUOTE)}")
        assert marked(page(link)) == QUOTE


def test_a_link_opens_without_a_key_what_its_group_may_read(serve, world, key_in) -> None:
    key = key_in(world.data_dir)
    with serve() as url:
        link = world.cite(url, QUOTE, key)["url"]
        assert marked(page(link)) == marked(page(link, key)) == QUOTE
        assert marked(page(changed(link, **{"from": "0"}))) == QUOTE
        for path in ("/document", "/page.png"):
            assert httpx2.get(link.replace("?", f"{path}?", 1)).status_code == (200 if path == "/document" else 400)
        bare = link.partition("?")[0]
        assert page(bare).status_code == httpx2.get(bare).status_code == 401
        assert "needs no key" in page(bare).text
        assert page(link, "rag_wrong").status_code == 401  # whoever sends a key is known by it alone
        elsewhere = link.replace("/v1/sources/", "/v1/vector_stores/")
        assert httpx2.get(elsewhere).status_code == 401
        assert httpx2.post(link).status_code == 405


@pytest.mark.parametrize(
    "params",
    [
        {"sig": "A" * 22},
        {"sig": ""},
        {"group": "other"},
        {"until": "2999-01-01"},
        {"in": "vs_000000000000000000000000"},
        {"doc": "AAAAAAAAAAAA"},
        {"at": "0-8"},
        {"quote": "a" * 22 + "8"},
    ],
    ids=str,
)
def test_a_link_that_was_changed_opens_nothing(serve, world, key_in, params) -> None:
    key = key_in(world.data_dir)
    with serve() as url:
        link = changed(world.cite(url, QUOTE, key)["url"], **params)
        refused = page(link)
        assert refused.status_code == httpx2.get(link).status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert QUOTE not in refused.text


def test_a_link_opens_only_its_own_document(serve, world, key_in) -> None:
    key = key_in(world.data_dir)
    with serve(f"{QUOTE} {PDF_QUOTE}") as url:
        link, other = (citation["url"] for citation in world.citations(url, f"{QUOTE} {PDF_QUOTE}", key))
        assert (marked(page(link)), marked(page(other))) == (QUOTE, PDF_QUOTE)
        mixed = other.partition("?")[0] + "?" + link.partition("?")[2]
        assert page(mixed).status_code == 401


def test_a_link_ends(serve, world, key_in) -> None:
    key = key_in(world.data_dir)
    with serve(source_link_days=3) as url:
        link = world.cite(url, QUOTE, key)["url"]
        world.now += 3 * DAY_S
        assert page(link).status_code == 200
        world.now += DAY_S
        ended = page(link)
        assert (ended.status_code, httpx2.get(link).json()["error"]["code"]) == (403, "link_expired")
        assert "This link has expired" in ended.text
        assert page(link, key).status_code == 200
        world.now -= 20 * DAY_S  # further ahead than links may be dated
        assert page(link).status_code == 403
    with serve(source_link_days=0) as url:
        world.now += 18 * DAY_S
        assert page(re.sub(r"http://[^/]+", url, link)).status_code == 401
        unsigned = world.cite(url, QUOTE, key)["url"]
        assert "sig=" not in unsigned
        assert page(unsigned).status_code == 401
        assert page(unsigned, key).status_code == 200


def test_a_link_ends_when_its_group_may_no_longer_read(serve, world, key_in) -> None:
    store = Store(world.data_dir)
    collection = store.collection("notes").id
    store.close()
    key_in(world.data_dir)  # the group of the collection itself
    key = key_in(world.data_dir, group="h", collections=[Grant(name="notes", id=collection)])
    with serve() as url:
        link = world.cite(url, QUOTE, key)["url"]
        assert marked(page(link)) == QUOTE
        with closing(Keys(KeyStore(world.data_dir))) as keys:
            keys.revoke(key)
        assert page(link).status_code == 404


def test_a_link_made_before_there_were_keys_opens_for_the_group_of_the_collection(
    serve, world, key_in, tmp_path
) -> None:
    shutil.rmtree(world.data_dir)
    world.ingest(group="g")
    with serve() as url:
        link = world.cite(url, QUOTE)["url"]
        assert "group=g&" in link
        key_in(world.data_dir, group="h")
        assert page(link).status_code == 404
        key_in(world.data_dir, group="g")
        assert marked(page(link)) == QUOTE


def test_the_page_of_a_pdf_stands_beside_its_text(serve, world, key_in) -> None:
    key = key_in(world.data_dir)
    with serve(PDF_QUOTE) as url:
        link = world.cite(url, PDF_QUOTE, key)["url"]
        opened = page(link)
        assert marked(opened) == PDF_QUOTE
        assert "Page 2" in opened.text
        assert "with the passage highlighted" in opened.text
        picture = httpx2.get(link.replace("?", "/page.png?", 1))
        assert picture.headers["content-type"] == "image/png"
        assert struct.unpack(">II", picture.content[16:24]) == (1200, 1553)


def test_a_pdf_that_is_not_there_any_more_is_shown_as_text(serve, world, tmp_path) -> None:
    file = world.docs / "sensor.pdf"
    data = file.read_bytes()
    with serve(PDF_QUOTE) as url:
        link = world.cite(url, PDF_QUOTE)["url"]

        def shown_as_text(reason: str) -> None:
            opened = page(link)
            assert marked(opened) == PDF_QUOTE
            assert reason in opened.text
            assert "<img" not in opened.text
            picture = httpx2.get(link.replace("?", "/page.png?", 1))
            assert (picture.status_code, picture.json()["error"]["code"]) == (404, "page_not_found")

        file.write_bytes(data.replace(b"90 seconds", b"95 seconds"))  # as long as it was
        shown_as_text("has changed since it was ingested")
        file.unlink()
        shown_as_text("no longer where it was ingested from")
        (tmp_path / "outside.pdf").write_bytes(data)
        file.symlink_to(tmp_path / "outside.pdf")
        shown_as_text("no longer where it was ingested from")
        file.unlink()
        os.mkfifo(file)
        shown_as_text("no longer where it was ingested from")
        file.unlink()
        file.write_bytes(data)
        assert "<img" in page(link).text


def test_the_page_of_an_uploaded_pdf_is_shown(serve, world) -> None:
    text = "The barometer is read at noon on every day."
    with serve(text) as url, OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        file = client.files.create(file=("barometer.pdf", make_pdf(text)), purpose="user_data")
        client.vector_stores.files.create_and_poll(vector_store_id=_store_id(client), file_id=file.id)
        link = world.cite(url, text)["url"]
        assert marked(page(link)) == text
        assert httpx2.get(link.replace("?", "/page.png?", 1)).content.startswith(b"\x89PNG")
        client.files.delete(file.id)


def _store_id(client: OpenAI) -> str:
    return next(store.id for store in client.vector_stores.list() if store.name == "notes")


def test_the_description_of_the_api_needs_no_key(serve, world, key_in) -> None:
    key_in(world.data_dir)
    with serve() as url:
        assert httpx2.get(f"{url}/docs").status_code == httpx2.get(f"{url}/openapi.json").status_code == 200
        assert httpx2.get(f"{url}/v1/models").status_code == 401


def test_streams_and_responses_give_the_same_link(serve, world, key_in) -> None:
    key = key_in(world.data_dir)
    with serve() as url, OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        link = world.cite(url, QUOTE, key)["url"]
        question, here = [{"role": "user", "content": QUOTE}], {"rag": {"collection": "notes"}}
        chunks = list(client.chat.completions.create(model="tiny", messages=question, extra_body=here, stream=True))
        told = [a for c in chunks for a in getattr(c.choices[0].delta, "annotations", None) or []]
        assert [each["url_citation"]["url"] for each in told] == [link]
        assert chunks[-1].model_extra["rag"]["citations"][0]["url"] == link
        response = client.responses.create(model="tiny", input=QUOTE, extra_body=here)
        assert response.model_extra["rag"]["citations"][0]["url"] == link
        assert marked(page(link)) == QUOTE


def test_a_document_of_another_folder_with_the_same_path_is_told_apart(serve, world, tmp_path) -> None:
    with serve() as url:
        link = world.cite(url, QUOTE)["url"]
        world.docs = tmp_path / "other"
        world.docs.mkdir()
        (world.docs / "alerts.md").write_text("# Other alerts\n\nNothing of frost.\n")
        world.ingest()
        assert marked(page(link)) == QUOTE
        (world.docs / "alerts.md").unlink()
        (tmp_path / "docs" / "alerts.md").write_text("# Alerts\n\nAll is new here.\n")
        (world.docs / "alerts.md").write_text(f"# Other alerts\n\nNow here: {QUOTE}\n")
        world.ingest()
        world.docs = tmp_path / "docs"
        world.ingest()
        assert marked(page(link)) == QUOTE
