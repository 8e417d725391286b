"""What the chat page costs a browser: prints figures, and asserts only that all was shown. `make test-page`."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.page, pytest.mark.timeout(600)]

N_MESSAGES = 1000
N_CHARS = 2_000_000
PIECE = 500
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
OBSERVE = """() => {
    window.long = [];
    window.observer = new PerformanceObserver(list => window.long.push(...list.getEntries().map(e => e.duration)));
    window.observer.observe({type: "longtask"});
    window.frames_ = []; let last = performance.now();
    const frame = now => { window.frames_.push(now - last); last = now; window.framing = requestAnimationFrame(frame); };
    window.framing = requestAnimationFrame(frame);
}"""
OBSERVED = """async () => {
    await new Promise(resolve => setTimeout(resolve, 300));
    window.observer.disconnect(); cancelAnimationFrame(window.framing);
    const sorted = window.frames_.sort((a, b) => a - b);
    return {n: window.long.length, longest: Math.max(0, ...window.long), frame: sorted[Math.floor(sorted.length * 0.99)]};
}"""
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


def told(what: str, page: Page) -> None:
    found = page.evaluate(OBSERVED)
    print(
        f"\n{what}: {found['n']} tasks over 50 ms, the longest {found['longest']:.0f} ms; "
        f"99 of 100 frames within {found['frame']:.0f} ms"
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
    print(
        f"\nfirst paint after {timing['paint']:.0f} ms, loaded after {timing['loaded']:.0f} ms; "
        f"{timing['sent'] / 1000:.0f} kB sent, {timing['whole'] / 1000:.0f} kB unpacked"
    )
    assert tab.misdeeds == []


def test_what_the_machine_adds_itself(page) -> None:
    page.evaluate(OBSERVE)
    page.evaluate(NOTHING)
    told("8 ms of work in each of 300 frames", page)


def test_a_thousand_messages(page, tab) -> None:
    page.evaluate(SEED, N_MESSAGES)
    page.reload()
    page.get_by_role("button", name="Many messages", exact=True).wait_for()
    page.evaluate(OBSERVE)
    page.get_by_role("button", name="Many messages", exact=True).click()
    expect(page.locator(".message")).to_have_count(N_MESSAGES, timeout=60_000)
    expect(page.locator(".unfilled")).to_have_count(0, timeout=120_000)
    told(f"{N_MESSAGES} messages opened and drawn", page)
    page.evaluate(OBSERVE)
    page.locator("#scroll").hover()
    for _ in range(40):
        page.mouse.wheel(0, -2000)
        page.wait_for_timeout(30)
    page.fill("#question", "")
    page.locator("#question").press_sequentially("typed while a thousand messages stand above", delay=10)
    told("scrolled and typed", page)
    assert tab.misdeeds == []


def test_an_answer_of_two_megabytes(page, tab) -> None:
    page.select_option("#collection", "")
    page.evaluate(OBSERVE)
    page.fill("#question", "Everything?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .tools")).to_be_attached(timeout=300_000)
    page.wait_for_function(
        "document.querySelector('.answer .part:last-child').childElementCount === 0", timeout=120_000
    )
    n_chars = page.evaluate("document.querySelector('.answer .text').textContent.length")
    told(f"An answer of {N_CHARS:,} characters streamed and drawn", page)
    page.evaluate(OBSERVE)
    page.locator("#scroll").hover()
    for _ in range(40):
        page.mouse.wheel(0, -3000)
        page.wait_for_timeout(30)
    told("scrolled", page)
    assert n_chars > N_CHARS * 0.5
    assert tab.misdeeds == []
