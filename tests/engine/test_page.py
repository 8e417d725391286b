"""The whole story in a real browser, with the embedded models: documents, a question, its source, what goes wrong."""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from rag.bench.service import running_service

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

_BROWSER = runpy.run_path(str(Path(__file__).parents[1] / "browser" / "conftest.py"))
browser, tab = _BROWSER["browser"], _BROWSER["tab"]
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
QUESTION = "How long is the standard warranty?"
UP_MS = 300_000  # an engine that was killed is there again


@dataclass(frozen=True)
class World:
    url: str
    key: str

    def engine_pid(self) -> int:
        """The process of its vLLM."""
        ready = httpx2.get(f"{self.url}/ready", headers={"Authorization": f"Bearer {self.key}"}).json()
        pid: int = ready["engines"][0]["pid"]
        return pid


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("story")
    data_dir = folder / "data"
    create = [sys.executable, "-m", "rag", "keys", "create", "--name", "story", "--scopes", "admin,chat,ingest"]
    done = subprocess.run([*create, "--data-dir", str(data_dir), "--json"], capture_output=True, text=True, check=True)
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("RAG_") and not name.startswith("RAG_TEST_")]:
            environment.delenv(name)  # of the tiny model that other tests serve
        with running_service(data_dir, log=folder / "serve.log") as url:
            yield World(url, json.loads(done.stdout)["key"])


def ask(page: Page, question: str) -> Locator:
    page.fill("#question", question)
    n_answers = page.locator(".answer").count()
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(n_answers + 1)
    return complete(page)


def complete(page: Page, timeout_ms: float = 60_000) -> Locator:
    """The last answer, when it is complete."""
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_attached(timeout=timeout_ms)
    return page.locator(".answer").last


def enter_keys(page: Page, world: World) -> None:
    page.goto(f"{world.url}/documents")
    page.fill("#key-field", "rag_wrong_key")
    page.keyboard.press("Enter")
    expect(page.locator("#key-dialog").get_by_role("alert")).to_contain_text("key")
    page.fill("#key-field", world.key)
    page.keyboard.press("Enter")
    expect(page.locator("#key-dialog")).to_have_count(0)


def upload(page: Page) -> None:
    page.get_by_label("Name of the new collection").fill("default")
    page.keyboard.press("Enter")
    expect(page.locator("#collection-title")).to_have_text("default")
    page.set_input_files("#files", sorted((SAMPLE / "policies").glob("*.md")))
    expect(row(page).locator(".status")).to_contain_text("searchable", timeout=60_000)
    page.get_by_role("link", name="Chat").click()
    expect(page.locator("#model option:checked")).to_contain_text("SmolLM2")


def row(page: Page) -> Locator:
    return page.locator("tr[data-document]", has_text="warranty.md")


def open_citation(page: Page) -> Locator:
    answer = ask(page, QUESTION)
    expect(answer.locator(".text")).to_contain_text("26 months")
    cite = answer.locator(".cite").first
    expect(cite).to_have_accessible_name("Source 1: warranty.md, exact quote")
    cite.click()
    quote = page.locator("#source mark")
    expect(quote).to_contain_text("26 months")
    assert quote.inner_text() in (SAMPLE / "policies" / "warranty.md").read_text()
    page.keyboard.press("Escape")
    return answer


def stop_and_go_on(page: Page) -> None:
    page.fill("#question", "Which of the policies say how many days something takes?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(complete(page).locator(".state")).to_have_text("Stopped.")
    again = ask(page, QUESTION)
    expect(again.locator(".reuse-words")).to_contain_text("% of the prompt reused")
    assert int(again.locator(".reuse-words").inner_text().split(" ")[0]) > 50


def speak_chinese(page: Page, answer: Locator) -> None:
    page.select_option("#language", "zh")
    expect(page.locator("#question")).to_have_attribute("placeholder", "向你的文档提问")
    expect(answer.locator(".sources")).to_contain_text("原文一致")
    page.select_option("#language", "en")


def outlive_the_engine(page: Page, world: World) -> None:
    os.kill(world.engine_pid(), signal.SIGKILL)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    answer = complete(page, UP_MS)
    while answer.locator(".state").is_visible():  # what was asked too early was told so
        page.wait_for_timeout(2_000)
        answer.locator(".state").get_by_role("button", name="Try again").click()
        answer = complete(page, UP_MS)
    expect(answer.locator(".text")).to_contain_text("26 months")


def delete(page: Page) -> None:
    page.get_by_role("link", name="Documents").click()
    row(page).locator(".delete-document").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(page)).to_have_count(0)
    page.get_by_role("link", name="Chat").click()
    expect(ask(page, QUESTION).locator(".text")).not_to_contain_text("26 months")


def test_from_the_first_document_to_the_last(world, tab) -> None:
    page = tab.page
    enter_keys(page, world)
    upload(page)
    answer = open_citation(page)
    stop_and_go_on(page)
    speak_chinese(page, answer)
    assert tab.barriers() == []
    outlive_the_engine(page, world)
    delete(page)
    of_its_own = ("status of 401", "status of 502", "status of 503")  # the browser logs each answer that is an error
    assert [each for each in tab.misdeeds if not any(words in each for words in of_its_own)] == []
    assert all(each.startswith((world.url, f"blob:{world.url}")) for each in tab.asked_for)
