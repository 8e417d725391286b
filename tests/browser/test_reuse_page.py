"""The page that shows what was reused, as somebody who runs the service sees it."""

import re
from collections.abc import Iterator

import pytest
from openai import OpenAI
from playwright.sync_api import expect

QUESTIONS = ("How long is the warranty?", "How long is the warranty?", "When does the frost alert ring?")


def ask(url: str, question: str) -> dict:
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": question}])
    return answer.model_extra["rag"]["reuse"]


@pytest.fixture(scope="module")
def url(serve_fake) -> Iterator[str]:
    with serve_fake("The standard warranty lasts 26 months. [1]") as (url, _):
        yield url


def figure(text: str) -> int:
    """The number that a text begins with."""
    return int(re.sub(r"\D", "", text.split(maxsplit=1)[0]))


def test_it_shows_what_the_answers_reported_as_it_happens(url, tab) -> None:
    page = tab.page
    page.goto(url + "/reuse")
    page.get_by_text("Nothing has been asked yet").wait_for()
    expect(page.get_by_role("heading", name="Shared prefixes")).to_be_visible()
    told = [ask(url, question) for question in QUESTIONS]

    page.locator(".is-reused").wait_for()  # without loading it again
    page.locator(".figure", has_text=re.compile(r"^3 answers")).wait_for()
    n_all, n_cached = (sum(each[name] for each in told) for name in ("prompt_tokens", "cached_tokens"))
    assert figure(page.locator(".is-reused").inner_text()) == n_cached
    assert figure(page.locator(".is-computed").inner_text()) == n_all - n_cached
    assert page.locator(".main-figure strong").inner_text() == f"{1000 * n_cached // n_all / 10:g}%"

    causes = page.locator(".causes tbody tr")
    expect(causes).to_have_count(1)
    assert "cold" in causes.inner_text()
    assert "rag warm" in causes.inner_text()
    assert re.search(r"In \d minutes? of the last hour", page.get_by_role("img").get_attribute("aria-label"))
    page.get_by_text("Minute by minute").click()
    minutes = page.locator(".minutes tbody tr")
    assert sum(figure(each) for each in minutes.locator("td:nth-child(2)").all_inner_texts()) == 3
    assert sum(figure(each) for each in minutes.locator("td:nth-child(4)").all_inner_texts()) == n_cached

    prefix = page.locator(".prefixes tbody tr")
    shared = [each for reuse in told for each in reuse["segments"] if each["name"] == "shared_prefix"]
    cells = prefix.locator("td").all_inner_texts()
    assert [figure(cell) for cell in cells[1:3]] == [len(shared), sum(each["cached"] for each in shared)]
    assert cells[3:] == ["just now", "just now", "yes"]
    assert "guide/installation.md" in prefix.inner_text()

    parts = page.locator(".fill tbody tr")
    held = sum(figure(each) for each in parts.locator("td:nth-child(3)").all_inner_texts())
    assert held == 200_000  # with what is free
    assert "Shared prefixes" in parts.all_inner_texts()[1]
    assert page.locator("details[open]").count() == 1  # nothing that was opened is closed by the next look
    assert tab.misdeeds == []
    assert all(each.startswith(url) for each in tab.asked_for)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_keeps_nobody_out(url, tab, scheme) -> None:
    ask(url, QUESTIONS[0])
    page = tab.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour half way
    page.goto(url + "/reuse")
    page.locator(".chart").wait_for()
    page.get_by_text("Minute by minute").click()
    assert tab.barriers() == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.select_option("#language", "zh")
    expect(page.get_by_role("heading", name="共享前缀")).to_be_visible()
    assert "提前计算" in page.locator(".causes").inner_text()
    assert tab.barriers() == []
    assert tab.misdeeds == []


def test_it_rests_when_it_is_told_to_and_keeps_to_one_collection(url, tab) -> None:
    page = tab.page
    page.goto(url + "/reuse")
    page.locator(".prefixes tbody tr").wait_for()
    with page.expect_response(lambda response: "/v1/rag/reuse?collection=vs_" in response.url):
        page.select_option("#collection", label="default")
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Paused")).to_be_visible()
    n_asked = len(tab.asked_for)
    page.wait_for_timeout(2500)
    assert len(tab.asked_for) == n_asked
    with page.expect_response(lambda response: "/v1/rag/reuse" in response.url):
        page.keyboard.press("Enter")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert tab.misdeeds == []


def test_a_service_that_is_gone_is_told_of_and_found_again(url, tab) -> None:
    page = tab.page
    page.route("**/v1/rag/reuse*", lambda route: route.abort())
    page.goto(url + "/reuse")
    page.get_by_role("alert").get_by_text("cannot be reached").wait_for()
    page.unroute("**/v1/rag/reuse*")
    page.locator(".prefixes tbody tr").wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)
