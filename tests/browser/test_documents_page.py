"""The page of collections and documents, as somebody uses it who puts files in and looks for them."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI
from playwright.sync_api import expect

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Store

STATION = b"# Station\n\nThe zebra barometer stands on a hill above the harbour.\n\n## Roof\n\nThe roof is of slate.\n"
HOSTILE = "<img src=x onerror=alert(1)>.md"


@pytest.fixture(scope="module")
def data_dir(copy_data, tmp_path_factory) -> Path:
    return copy_data(tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="module")
def url(serve_fake, data_dir) -> Iterator[str]:
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _):
        yield url


@pytest.fixture
def client(url) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def row(tab, name: str):
    return tab.page.locator("tr[data-document]", has_text=name)


def test_a_collection_is_made_filled_searched_and_emptied_again(url, tab, client) -> None:
    page = tab.page
    page.goto(url + "/documents")
    page.get_by_label("Name of the new collection").fill("weather")
    page.keyboard.press("Enter")
    expect(page.locator("#collection-title")).to_have_text("weather")
    expect(page.get_by_text("This collection has no documents yet.")).to_be_visible()

    page.set_input_files(
        "#files", [file("station.md", STATION), file("broken.pdf", b"%PDF-1.7 no"), file(HOSTILE, b"# X\n\ny.\n")]
    )
    expect(row(tab, "station.md").locator(".status")).to_contain_text("searchable", timeout=20_000)
    expect(row(tab, "broken.pdf").locator(".status")).to_contain_text("failed", timeout=20_000)
    expect(row(tab, "broken.pdf")).to_contain_text("no readable PDF")
    expect(page.locator(".upload.is-failed")).to_contain_text("no readable PDF")
    expect(row(tab, HOSTILE).locator(".status")).to_contain_text("searchable", timeout=20_000)
    expect(page.locator(".upload")).to_have_count(1)  # what is done is in the list below
    expect(page.locator("[aria-current=true]")).to_contain_text("2 documents")
    expect(page.locator("[aria-current=true]")).to_contain_text("1 failed")
    store = next(each for each in client.vector_stores.list() if each.name == "weather")
    assert (store.file_counts.completed, store.file_counts.failed) == (2, 1)

    page.get_by_role("button", name="station.md", exact=True).click()
    chunks = page.locator(".chunks li")
    expect(chunks.first).to_contain_text("zebra barometer")
    assert "line 1" in chunks.first.inner_text()
    assert chunks.count() == int(row(tab, "station.md").locator("td.number").first.text_content().split("chunk")[0])

    page.get_by_label("Words or a question").fill("zebra barometer")
    page.keyboard.press("Enter")
    best = page.locator(".result").first
    expect(best.locator(".by")).to_have_text(re.compile("by words$|by meaning and by words"))
    assert best.locator("mark").all_inner_texts()[:2] == ["zebra", "barometer"]
    hit = httpx2.post(
        f"{url}/v1/vector_stores/{store.id}/search", json={"query": "zebra barometer", "rag": {"include": ["match"]}}
    ).json()["data"][0]
    assert f"score {hit['score']:.2f}" in best.inner_text()
    best.get_by_text("Why it was found").click()
    lexical = hit["match"]["lexical"]
    assert f"Words: 1.00 of the best, weight {lexical['weight']:.2f}" in best.locator(".why").inner_text()
    best.get_by_role("button", name="Show what stands around it").click()
    expect(best.get_by_role("button", name="Show the passage alone")).to_be_visible()

    for name in ("broken.pdf", "station.md"):
        row(tab, name).locator(".delete-document").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(row(tab, name)).to_have_count(0)
    names = [each.filename for each in client.files.list()]
    assert HOSTILE in names
    assert not {"broken.pdf", "station.md"} & set(names)

    page.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert "weather" in page.locator(".collection-list").inner_text()
    page.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".collection-list")).not_to_contain_text("weather")
    assert "weather" not in {each.name for each in client.vector_stores.list()}
    assert tab.misdeeds == []
    assert all(each.startswith(url) for each in tab.asked_for)


def test_an_upload_shows_how_far_it_is_and_can_be_stopped(url, tab, client) -> None:
    page = tab.page
    page.goto(url + "/documents")
    expect(row(tab, "guide/overview.md")).to_be_visible()
    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    slow.send("Network.emulateNetworkConditions", limits)
    n_before = len(list(client.files.list()))
    page.set_input_files("#files", [file("long.txt", b"All work and no play. " * 100_000)])
    upload = page.locator(".upload", has_text="long.txt")
    expect(upload.locator(".upload-state")).to_have_text(re.compile(r"^\d?\d% sent$"))
    assert 0 <= float(upload.locator("progress").evaluate("bar => bar.value")) < 1
    upload.get_by_role("button", name="Stop sending long.txt").click()
    expect(upload).to_contain_text("stopped")
    upload.get_by_role("button", name="Take long.txt off this list").click()
    expect(upload).to_have_count(0)
    assert len(list(client.files.list())) == n_before
    expect(row(tab, "long.txt")).to_have_count(0)


def test_dropped_files_and_folders_are_taken(url, tab) -> None:
    page = tab.page
    page.goto(url + "/documents")
    expect(row(tab, "guide/overview.md")).to_be_visible()
    dropped = page.evaluate_handle(
        """() => {
            const dropped = new DataTransfer();
            dropped.items.add(new File(["# Dropped\\n\\nIt fell in.\\n"], "dropped.md"));
            return dropped;
        }"""
    )
    page.dispatch_event(".drop-zone", "dragenter", {"dataTransfer": dropped})
    expect(page.locator(".drop-zone.is-over")).to_have_count(1)
    page.dispatch_event(".drop-zone", "drop", {"dataTransfer": dropped})
    expect(row(tab, "dropped.md").locator(".status")).to_contain_text("searchable", timeout=20_000)
    expect(page.locator(".drop-zone.is-over")).to_have_count(0)
    assert tab.misdeeds == []


def test_what_rag_ingest_put_in_is_listed_narrowed_and_deleted(url, tab) -> None:
    page = tab.page
    page.goto(url + "/documents")
    expect(row(tab, "policies/pricing.md")).to_contain_text("from rag ingest")
    page.get_by_label("Filter by name").fill("guide/")
    expect(row(tab, "policies/pricing.md")).to_have_count(0)
    expect(row(tab, "guide/overview.md")).to_be_visible()
    page.get_by_label("Filter by name").fill("no such name")
    expect(page.get_by_text("No document has this in its name.")).to_be_visible()
    page.get_by_label("Filter by name").fill("")
    row(tab, "policies/pricing.md").locator(".delete-document").click()
    expect(page.get_by_role("dialog")).to_contain_text("the next ingest of its folder brings it back")
    page.keyboard.press("Escape")
    expect(row(tab, "policies/pricing.md")).to_be_visible()
    row(tab, "policies/pricing.md").locator(".delete-document").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(tab, "policies/pricing.md")).to_have_count(0)
    assert tab.misdeeds == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_keeps_nobody_out(url, tab, scheme) -> None:
    page = tab.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour half way
    page.goto(url + "/documents")
    expect(row(tab, "guide/overview.md")).to_be_visible()
    page.set_input_files("#files", [file("broken.pdf", b"%PDF-1.7 no")])
    page.locator(".upload.is-failed").wait_for()
    page.get_by_label("Words or a question").fill("How long is the warranty?")
    page.keyboard.press("Enter")
    page.get_by_text("Why it was found").first.click()
    page.get_by_role("button", name="guide/overview.md", exact=True).click()
    expect(page.locator(".chunk-text").first).to_be_visible()
    assert tab.barriers() == []
    page.get_by_role("button", name="Show more").first.press("Enter")
    expect(page.locator(".result")).to_have_count(10)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.select_option("#language", "zh")
    expect(page.get_by_role("heading", name="添加文档")).to_be_visible()
    expect(row(tab, "broken.pdf").first.locator(".status")).to_contain_text("失败")
    page.locator(".delete-document").first.click()
    assert tab.barriers() == []
    page.keyboard.press("Escape")
    assert tab.misdeeds == []


def test_a_key_that_may_only_read_is_told_why_it_cannot_upload(serve_fake, copy_data, key_in, tmp_path, tab) -> None:
    data_dir = copy_data(tmp_path)
    reader = key_in(data_dir, "chat", group="g")
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _):
        page = tab.page
        page.goto(url + "/documents")
        page.get_by_role("dialog").get_by_label("Key", exact=True).fill(reader)
        page.keyboard.press("Enter")
        expect(page.locator(".collection-list")).to_have_text(re.compile("^secret"))
        page.set_input_files("#files", [file("station.md", STATION)])
        expect(page.locator(".upload.is-failed")).to_contain_text("lacks the scope 'ingest'")


def test_a_service_that_is_gone_is_told_of_and_found_again(url, tab) -> None:
    page = tab.page
    page.goto(url + "/documents")
    expect(row(tab, "guide/overview.md")).to_be_visible()
    page.route("**/v1/rag/**", lambda route: route.abort())
    page.get_by_label("Filter by name").fill("guide/")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/v1/rag/**")
    expect(row(tab, "reference/api.md")).to_have_count(0, timeout=20_000)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_rag_ingest_could_not_read_is_shown_until_it_is_mended(url, tab, data_dir, tmp_path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "tide.md").write_text("# Tide\n\nThe tide is high at noon.\n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing behind it")
    page = tab.page
    collection = take_in(docs, data_dir)
    page.goto(f"{url}/documents#{collection}")
    broken = row(tab, "broken.pdf")
    expect(broken.locator(".status")).to_contain_text("failed")
    expect(broken).to_contain_text("no readable PDF")
    expect(broken).to_contain_text("Failing since")
    expect(broken).to_contain_text("from rag ingest")
    expect(broken.get_by_role("button")).to_have_count(0)  # neither to be opened, nor deleted, nor uploaded again
    expect(row(tab, "tide.md").locator(".status")).to_contain_text("searchable")
    expect(row(tab, "tide.md")).not_to_contain_text("Failing since")

    (docs / "broken.pdf").unlink()
    (docs / "tide.md").write_bytes(b"text \xff\x01 control")
    take_in(docs, data_dir)
    page.reload()
    expect(row(tab, "tide.md")).to_contain_text("Searches find what it was before.")
    expect(row(tab, "tide.md").locator(".status")).to_contain_text("searchable")
    expect(broken).to_have_count(0)
    assert tab.misdeeds == []


def take_in(docs: Path, data_dir: Path) -> str:
    """The id of the collection that `rag ingest` fills beside the running service."""
    with closing(Store(data_dir)) as store:
        ingest([docs], collection="nightly", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
        return store.collection("nightly").id
