"""What the chat page costs a browser: prints figures, and asserts only that all was shown. `make test-page`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.page, pytest.mark.timeout(600)]

N_MESSAGES = 1000
N_CHARS = 2_000_000
PIECE = 2500  # a token of the scripted engine
LONG_MS = 50
BLOCK = """## Part {n}

Paragraph {n} has **bold words**, `code`, and a [link](https://example.org/{n}). It goes on for a while, as answers do.

- one thing
- another thing

| name | value |
|:-----|------:|
| n    | {n}   |

```python
print({n})
```

"""
# What the machine itself adds: work of 8 ms in each of 300 frames, by the same measure.
NOTHING = """() => new Promise(resolve => {
    let n = 0;
    const frame = () => {
        const until = performance.now() + 8;
        while (performance.now() < until);
        if (++n < 300) requestAnimationFrame(frame); else resolve();
    };
    requestAnimationFrame(frame);
})"""
SEED = """async n => {
    const base = document.querySelector("script[src*=early]").src.replace("early.js", "");
    const {keep, keepMessages} = await import(base + "chat/store.js");
    await keep({id: "many", title: "Many messages", created: 1, updated: Date.now()});
    const text = at => `Paragraph ${at} says **something** about \\`this\\`:\\n\\n- one\\n- two\\n\\n`.repeat(3);
    await keepMessages(Array.from({length: n}, (_, place) => ({
        conversation: "many", place, at: place, role: place % 2 ? "assistant" : "user", content: text(place),
        citations: [], state: "done",
    })));
}"""


@pytest.fixture(scope="module")
def url(serve_fake) -> Iterator[str]:
    whole = "".join(BLOCK.format(n=n) for n in range(N_CHARS // len(BLOCK) + 1))
    cut = lambda text: [(n, text[at : at + PIECE]) for n, at in enumerate(range(0, len(text), PIECE))]  # noqa: E731
    with serve_fake(whole, pieces=cut) as (url, _):
        yield url


@pytest.fixture
def page(url, tab) -> Page:
    tab.page.goto(url)
    expect(tab.page.locator("#model")).to_have_value("tiny")
    return tab.page


@contextmanager
def measured(what: str, browser: Browser, page: Page) -> Iterator[None]:
    """Prints what its body has cost the page's thread.

    By the clock, tasks are longer where other programs want the processor; by the processor's time they are not.
    """
    browser.start_tracing(page=page, categories=["toplevel"])
    try:
        yield
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
    ours = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks = [e for e in events if (e["pid"], e["tid"]) in ours and e["name"].endswith("RunTask") and "dur" in e]
    assert tasks
    for kind, key in (("clock", "dur"), ("processor", "tdur")):
        took = sorted(task.get(key, 0) / 1000 for task in tasks)
        n_long = sum(ms > LONG_MS for ms in took)
        print(  # noqa: T201 - what this is for
            f"\n{what}: by the {kind} {n_long} of {len(took)} tasks over 50 ms, the longest {took[-1]:.0f} ms", end=""
        )


def test_bytes_and_first_paint_with_the_processor_throttled_four_times(url, tab) -> None:
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    tab.page.goto(url)
    expect(tab.page.locator("#model")).to_have_value("tiny")
    timing = tab.page.evaluate(
        """() => ({
            paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
            loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
            sent: performance.getEntries().reduce((sum, e) => sum + (e.transferSize ?? 0), 0),
            whole: performance.getEntries().reduce((sum, e) => sum + (e.decodedBodySize ?? 0), 0),
        })"""
    )
    print(  # noqa: T201
        f"\nfirst paint after {timing['paint']:.0f} ms, loaded after {timing['loaded']:.0f} ms; "
        f"{timing['sent'] / 1000:.0f} kB sent, {timing['whole'] / 1000:.0f} kB unpacked"
    )
    assert tab.misdeeds == []


def test_what_the_machine_adds_itself(browser, page) -> None:
    with measured("8 ms of work in each of 300 frames", browser, page):
        page.evaluate(NOTHING)


def test_a_thousand_messages(browser, page, tab) -> None:
    page.evaluate(SEED, N_MESSAGES)
    page.reload()
    one = page.get_by_role("button", name="Many messages", exact=True)
    one.wait_for()
    with measured(f"{N_MESSAGES} messages opened and drawn", browser, page):
        one.click()
        wait_for(page, f"document.getElementsByClassName('message').length == {N_MESSAGES}")
        wait_for(page, "!document.querySelector('.unfilled')")
        page.wait_for_timeout(300)
    with measured("scrolled through them", browser, page):
        scroll(page)
    with measured("typed below them", browser, page):
        page.locator("#question").press_sequentially("typed while a thousand messages stand above", delay=20)
    assert tab.misdeeds == []


def test_an_answer_of_two_megabytes(browser, page, tab) -> None:
    page.select_option("#collection", "")
    page.fill("#question", "Everything?")
    with measured(f"{N_CHARS:,} characters streamed and drawn", browser, page):
        page.keyboard.press("Enter")
        wait_for(page, "document.querySelector('.answer .tools')")
        wait_until_drawn(page)
    n_chars = page.evaluate("document.querySelector('.answer .text').textContent.length")
    with measured("scrolled through them", browser, page):
        scroll(page)
    print(f"\n{n_chars:,} characters are shown")  # noqa: T201
    assert n_chars > N_CHARS * 0.5
    assert tab.misdeeds == []


def wait_for(page: Page, what: str) -> None:
    """Until it is so. Playwright's own search looks at each element of the page: a third of a second of its thread."""
    while not page.evaluate(f"Boolean({what})"):
        page.wait_for_timeout(250)


def wait_until_drawn(page: Page) -> None:
    n_parts = -1
    while n_parts != (n_parts := page.evaluate("document.getElementsByClassName('part').length")):
        page.wait_for_timeout(2000)


def scroll(page: Page) -> None:
    page.mouse.move(640, 300)  # above the messages
    for _ in range(60):
        page.mouse.wheel(0, -800)
        page.wait_for_timeout(30)
