"""A real browser, and services for it as the tests of the API have them."""

import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

_API = runpy.run_path(str(Path(__file__).parents[1] / "api" / "conftest.py"))
sample_data_dir, serve_fake, key_in = _API["sample_data_dir"], _API["serve_fake"], _API["key_in"]
copy_data = _API["copy_data"]
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")  # while it is open, its event loop is the thread's: other tests run loops of their own
def browser(installed: Callable[..., str]) -> Iterator[Browser]:
    """The machine's Chromium; RAG_TEST_BROWSER names another."""
    package = "chromium, or name a browser by RAG_TEST_BROWSER"
    program = os.environ.get("RAG_TEST_BROWSER") or installed(*_PROGRAMS, package=package)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield started
        started.close()


class Watched:
    """A tab that notes all that a page must not do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked_for: list[str] = []
        self.misdeeds: list[str] = []
        page.on("request", self._requested)
        page.on("dialog", self._spoke)
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.misdeeds.append(f"error: {error}"))
        page.on("popup", lambda popup: self.misdeeds.append(f"popup: {popup.url}"))

    def barriers(self) -> list[str]:
        """What axe finds on the page as it stands, a line each."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {node['html'][:200]} {node['any'][:1]}" for each in found for node in each["nodes"]]

    def _requested(self, request: Request) -> None:
        self.asked_for.append(request.url)

    def _logged(self, message: ConsoleMessage) -> None:
        if not message.location["url"].endswith("/favicon.ico"):  # the browser's own idea, beside plain text
            self.misdeeds.append(f"console: {message.text}")

    def _spoke(self, dialog: Dialog) -> None:
        self.misdeeds.append("dialog")
        dialog.dismiss()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    """A tab of 1280 by 800 pixels."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Watched(context.new_page())
    context.close()
