"""The chat page, as somebody uses it who has a folder of documents and a question."""

import json
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.engine import FakeEngine
from rag.settings import Settings
from rag.store import Store

make_pdf = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "test_readers.py"))["make_pdf"]

QUOTE = "The frost alert is sent when the air cools to 2 degrees Celsius."
WRONG = "The frost alert is sent when the air cools to 9 degrees Celsius."
PDF_QUOTE = "The tide sensor reads every 90 seconds."
ARABIC = "يستمر الضمان القياسي ستة وعشرين شهرا من تاريخ الشراء."
EVIL = "http://203.0.113.7"  # of the range that is kept for documentation
RICH = f"""## Alerts

{QUOTE} **Bold** and `code[1]` and a [link](https://example.org/a?b=1&c=2).

| Part | Months |
|:-----|-------:|
| Case | 26 |

1. first
2. second
   - inner

```python
print(values[1])
```
"""
HOSTILE = f"""<script>alert(1)</script> <img src="{EVIL}/a.png" onerror="alert(2)">

![picture]({EVIL}/b.png) [run](javascript:alert(3)) [data](data:text/html,<script>alert(4)</script>)

<iframe src="{EVIL}/c"></iframe><style>body {{ display: none }}</style>

&lt;b&gt; \ue0000:1\ue001 <a href="javascript:alert(5)" onclick="alert(6)">a</a>
"""


GROW = """async ([text, size, places]) => {
    const base = document.querySelector("script[src*=early]").src.replace("early.js", "");
    const {GrowingText} = await import(base + "chat/growing.js");
    const box = document.createElement("div");
    const grown = new GrowingText(box, index => `{${index}}`);
    const draw = () => { for (let n = 0; grown.step() === true; n++) if (n > 1e5) throw new Error("it never ends"); };
    for (let at = 0; at < text.length; at += size) {
        grown.add(text.slice(at, at + size));
        draw();
        if (at < text.length / 2) grown.citations(places.slice(0, 1));
    }
    grown.citations(places);
    grown.end();
    draw();
    const count = selector => box.querySelectorAll(selector).length;
    return [box.textContent, count("li, tr, p, pre, h3, h4"), count(".part")];
}"""
WORDS = [f"w{n}" for n in range(3000)]
LONG_TEXTS = {
    "items": "\n".join(f"{n}. {word}" for n, word in enumerate(WORDS, 1)),
    "rows": "| a | b |\n|---|---|\n" + "\n".join(f"| {word} | x |" for word in WORDS) + "\n\nw3000",
    "lines of code": "```py\n" + "\n".join(WORDS) + "\n```\n\nw3000",
    "words": " ".join(WORDS),
    "paragraphs": "\n\n".join(WORDS),
}


@dataclass
class World:
    """A service over a few documents, whose engine says what it is told."""

    url: str
    data_dir: Path
    says: list[str]
    engine: FakeEngine


@pytest.fixture(scope="module")
def world(serve_fake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    docs, data_dir, says = folder / "docs", folder / "data", [""]
    docs.mkdir()
    (docs / "alerts.md").write_text(f"# Alerts\n\nBefore it. {QUOTE} It rings twice.\n")
    (docs / "power.md").write_text("# Power\n\nThe station runs for nine days on its battery.\n")
    (docs / "sensor.pdf").write_bytes(make_pdf("A page before it", PDF_QUOTE, title="Sensors"))
    (docs / "warranty_ar.md").write_text(f"# الضمان\n\n{ARABIC}\n", "utf-8")
    store = Store(data_dir)
    ingest([docs], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    store.close()
    with serve_fake(lambda _: says[0], settings={"data_dir": data_dir}) as (url, engine):
        yield World(url=url, data_dir=data_dir, says=says, engine=engine)


@pytest.fixture
def page(world, tab) -> Page:
    world.engine._token_s = 0.0
    world.engine._fail_after = None
    tab.page.goto(world.url)
    expect(tab.page.locator("#model")).to_have_value("tiny")
    return tab.page


def ask(page: Page, world: World, answer: str, question: str = "When is the frost alert sent?") -> Locator:
    """The answer, when it is complete."""
    world.says[:] = [answer]
    n_answers = page.locator(".answer").count()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(n_answers + 1)
    return complete(page)


def complete(page: Page) -> Locator:
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_attached()
    return page.locator(".answer").last


def test_a_question_sent_before_the_models_are_known_is_asked_then(world, tab, page) -> None:
    world.says[:] = [QUOTE]
    held = []
    page.route("**/v1/models", lambda route, _: held.append(route))
    page.goto(world.url)
    page.fill("#question", "When is the frost alert sent?")
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_have_value("When is the frost alert sent?")
    assert page.locator(".answer").count() == 0
    held[0].continue_()
    expect(page.locator(".answer .text")).to_contain_text(QUOTE[:20])


def test_a_statement_opens_its_source_with_the_quote_marked(world, tab, page) -> None:
    answer = ask(page, world, QUOTE)
    cite = answer.locator(".cite")
    expect(cite).to_have_accessible_name("Source 1: alerts.md, exact quote")
    cite.click()
    source = page.locator("#source")
    expect(source.locator("mark")).to_have_text(QUOTE)
    expect(source).to_contain_text("exact quote")
    expect(source.get_by_role("heading")).to_be_focused()
    with page.expect_popup() as popup:
        source.get_by_role("link", name="Open as a page").click()
    expect(popup.value.locator("mark")).to_have_text(QUOTE)
    popup.value.close()
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    expect(cite).to_be_focused()
    answer.get_by_text("Found, but not cited").click()
    answer.locator(".others button").first.click()
    expect(source).to_contain_text("not cited by the answer")
    expect(source.locator("mark")).to_have_count(0)
    assert tab.misdeeds == [f"popup: {popup.value.url}"]
    assert all(each.startswith((world.url, f"blob:{world.url}")) for each in tab.asked_for)


def test_what_no_source_says_is_told_in_words(world, tab, page) -> None:
    answer = ask(page, world, f"{WRONG[:-1]} [1].")
    expect(answer.locator(".cite")).to_have_text("1?")
    expect(answer.locator(".sources")).to_contain_text("not supported")
    answer.locator(".cite").click()
    expect(page.locator("#source .problem")).not_to_be_empty()
    assert tab.misdeeds == []


def test_the_page_of_a_pdf_stands_below_its_passage(world, tab, page) -> None:
    ask(page, world, PDF_QUOTE, "How often does the tide sensor read?").locator(".cite").click()
    expect(page.locator("#source mark")).to_have_text(PDF_QUOTE)
    picture = page.locator("#source img")
    expect(picture).to_have_attribute("alt", "The page of the document, with the passage highlighted")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1200
    assert tab.misdeeds == []


def test_the_bar_tells_what_was_reused_and_why_not_more(world, tab, page) -> None:
    cold = ask(page, world, "Yes.", "A question that nobody has asked?")
    warm = ask(page, world, "No.", "Another question?")
    expect(warm.locator(".reuse-words")).to_contain_text("first token after")
    width = "bar => bar.getBoundingClientRect().width"
    cached = [answer.locator(".segment .cached").first.evaluate(width) for answer in (cold, warm)]
    assert cached[1] > 1
    button = warm.locator(".reuse-button")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    rows = warm.locator(".reuse-details tbody tr")
    figures = [[int(cell.replace(",", "")) for cell in row.locator("td").all_inner_texts()] for row in rows.all()]
    assert [sum(column) for column in zip(*figures[:-1], strict=True)] == figures[-1]
    assert all(tokens == reused + computed for tokens, reused, computed in figures)
    assert figures[-1][1] > 0
    expect(warm.locator(".reason")).to_contain_text("Nothing was missed.")
    page.select_option("#collection", "")
    bare = ask(page, world, "Bare.", "Hello?")
    expect(bare.locator(".sources")).to_have_count(0)
    expect(bare.locator(".reuse-words")).to_contain_text("tokens")
    assert tab.misdeeds == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(world, tab, page, scheme) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour half way
    assert tab.barriers() == []
    answer = ask(page, world, f"{RICH}\n{WRONG[:-1]} [1].")
    answer.locator(".reuse-button").click()
    answer.get_by_text("Found, but not cited").click()
    answer.locator(".cite").first.click()
    expect(page.locator("#source mark")).to_be_visible()
    assert tab.barriers() == []
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#new")).to_be_focused()
    assert tab.barriers() == []
    page.keyboard.press("Escape")
    world.engine._fail_after = 2
    ask(page, world, "It breaks in the middle.")
    page.locator(".question").last.get_by_role("button", name="Change").click()
    assert tab.barriers() == []
    assert tab.misdeeds == []


def test_markdown_is_shown_and_code_is_left_alone(world, tab, page) -> None:
    answer = ask(page, world, RICH)
    expect(answer.locator(".text h3")).to_have_text("Alerts")
    expect(answer.locator("strong")).to_have_text("Bold")
    expect(answer.locator("td").last).to_have_css("text-align", "right")
    expect(answer.locator(".text ol > li")).to_have_count(2)
    expect(answer.locator("pre")).to_have_text("print(values[1])")
    expect(answer.locator("p code")).to_have_text("code[1]")
    expect(answer.get_by_role("link")).to_have_attribute("href", "https://example.org/a?b=1&c=2")
    assert tab.misdeeds == []


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_text_that_grows_ends_as_one_that_is_whole(page, size) -> None:
    text = f"{RICH}\n> quoted\n\n\U0001f600 Marked [1], and \U0001f600 [2].\r\n\r\nUnmarked.\n\n- a\n\n- b\n"
    starts = [text.index(marker) for marker in ("[1],", "[2]")]
    places = [{"start": start, "end": start + 3, "index": index} for index, start in enumerate(starts)]
    utf_16 = text.encode("utf-16-le")
    whole = page.evaluate(GROW, [text, len(utf_16), places])
    assert "\U0001f600 Marked {0}, and \U0001f600 {1}." in whole[0]
    assert "values[1]" in whole[0]
    assert page.evaluate(GROW, [text, size, places]) == whole


@pytest.mark.parametrize("kind", LONG_TEXTS)
def test_a_long_block_is_cut_and_loses_nothing(page, kind) -> None:
    text, _, n_parts = page.evaluate(GROW, [LONG_TEXTS[kind], 2000, []])
    assert n_parts > 3
    said = [f"w{word}" for word in re.findall(r"w(\d+)", text)]
    assert said[: len(WORDS)] == WORDS


def test_a_hostile_answer_runs_nothing_and_fetches_nothing(world, tab, page) -> None:
    answer = ask(page, world, HOSTILE)
    page.wait_for_load_state("networkidle")
    text = answer.locator(".text").inner_text()
    assert "<script>alert(1)</script>" in text
    assert "<b>" in text
    for element in ("script", "img", "iframe", "style", "b", "a[href^='javascript']", "a[href^='data']", "[onclick]"):
        assert answer.locator(element).count() == 0, element
    assert tab.misdeeds == []
    assert all(each.startswith(world.url) for each in tab.asked_for)


def test_an_answer_is_stopped_and_asked_for_again(world, tab, page) -> None:
    world.engine._token_s = 0.05
    world.says[:] = ["word " * 2000]
    cancelled = world.engine.n_cancelled
    page.fill("#question", "Go on?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .text")).to_contain_text("word word")
    page.get_by_role("button", name="Stop").click()
    answer = complete(page)
    expect(answer.locator(".state")).to_have_text("Stopped.")
    expect(answer.locator(".text")).to_contain_text("word word")
    page.wait_for_timeout(100)
    assert world.engine.n_cancelled == cancelled + 1
    world.engine._token_s = 0.0
    world.says[:] = ["Short."]
    answer.get_by_role("button", name="Try again").click()
    expect(page.locator(".answer .text")).to_have_text(["Short."])
    expect(page.locator(".question")).to_have_count(1)
    assert tab.misdeeds == []


def test_a_question_is_changed_and_what_followed_stays_elsewhere(world, tab, page) -> None:
    ask(page, world, "One.", "First?")
    ask(page, world, "Two.", "Second?")
    change = page.locator(".question").last.get_by_role("button", name="Change")
    change.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("Third?")
    world.says[:] = ["Three."]
    page.keyboard.press("Enter")
    expect(page.locator(".answer .text").last).to_have_text("Three.")
    assert page.locator(".bubble").all_inner_texts() == ["First?", "Third?"]
    expect(page.locator("#conversation-list li")).to_have_count(1)
    page.locator(".question").first.get_by_role("button", name="Change").click()
    page.keyboard.type(" Really?")
    world.says[:] = ["Four."]
    page.keyboard.press("Enter")
    expect(page.locator(".answer .text")).to_have_text(["Four."])
    expect(page.locator("#conversation-list li")).to_have_count(2)
    page.locator("#conversation-list button.conversation").last.click()
    expect(page.locator(".answer .text").last).to_have_text("Three.")
    assert tab.misdeeds == []


def test_answers_are_copied_and_conversations_are_saved(world, tab, page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=world.url)
    answer = ask(page, world, f"{QUOTE}\n\n```\nraw  code\n```")
    answer.get_by_role("button", name="Copy the answer").click()
    copied = "navigator.clipboard.readText()"
    page.wait_for_function(f"{copied}.then(text => text.includes('Sources:'))")
    assert f"{QUOTE}[1]" in page.evaluate(copied)
    assert f"1. alerts.md, Alerts · line 3: “{QUOTE}” (exact quote)" in page.evaluate(copied)
    answer.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_function(f"{copied}.then(text => text === 'raw  code')")
    page.locator(".menu summary").click()
    assert tab.barriers() == []
    with page.expect_download() as download:
        page.get_by_role("button", name="As Markdown").click()
    assert download.value.suggested_filename == "When-is-the-frost-alert-sent.md"
    assert f"{QUOTE}[1]" in download.value.path().read_text("utf-8")
    page.locator(".menu summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="As JSON").click()
    saved = json.loads(download.value.path().read_text("utf-8"))
    assert [message["role"] for message in saved["messages"]] == ["user", "assistant"]
    assert saved["messages"][1]["citations"][0]["quote"] == QUOTE
    assert saved["messages"][1]["rag"]["reuse"]["prompt_tokens"] > 0
    assert tab.misdeeds == []


def test_conversations_are_kept_until_they_are_deleted(world, tab, page) -> None:
    ask(page, world, QUOTE, "First?")
    page.locator("#new").click()
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    ask(page, world, "Other.", "Other one?")
    page.reload()
    page.get_by_role("button", name="First?", exact=True).click()
    expect(page.locator(".answer .cite")).to_have_text("1")
    ask(page, world, "More.", "And then?")
    expect(page.locator("#conversation-list li").first).to_contain_text("First?")
    for name in ("Delete “First?”", "Delete “Other one?”"):
        page.get_by_role("button", name=name).click()
        assert tab.barriers() == []
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    page.reload()
    expect(page.locator("#model")).to_have_value("tiny")
    expect(page.locator("#conversation-list li")).to_have_count(0)
    assert tab.misdeeds == []


def test_an_engine_that_breaks_is_told_of_and_asked_again(world, tab, page) -> None:
    world.engine._fail_after = 3
    answer = ask(page, world, "It works again.")
    expect(answer.locator(".state")).to_contain_text("fake engine was told to fail")
    world.engine._fail_after = None
    answer.locator(".state").get_by_role("button", name="Try again").click()
    expect(page.locator(".answer .text")).to_have_text(["It works again."])
    expect(page.locator(".answer .state")).to_be_hidden()
    assert tab.misdeeds == []


def test_a_service_that_is_gone_is_told_of(serve_fake, tab) -> None:
    with serve_fake("Yes.") as (url, _):
        tab.page.goto(url)
        expect(tab.page.locator("#model")).to_have_value("tiny")
    tab.page.fill("#question", "Are you there?")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".answer .state")).to_contain_text("cannot be reached")
    expect(tab.page.locator("#banner")).to_contain_text("rag serve")
    assert all("ERR_CONNECTION_REFUSED" in each for each in tab.misdeeds)


def test_the_page_speaks_chinese_and_answers_may_run_from_the_right(world, tab, page) -> None:
    answer = ask(page, world, f"{ARABIC}\n\nEnglish words stand here.")
    left = "(p, at) => { const r = document.createRange(); r.selectNodeContents(p); return r.getBoundingClientRect() }"
    around = answer.locator(".text").bounding_box()
    arabic, english = (answer.locator(".text p").nth(at).evaluate(left) for at in (0, 1))
    assert arabic["x"] + arabic["width"] > around["x"] + around["width"] - 5
    assert english["x"] < around["x"] + 5
    page.select_option("#language", "zh")
    expect(answer.locator(".sources h3")).to_have_text("来源")
    expect(answer.locator(".sources")).to_contain_text("原文一致")
    expect(page.locator("#question")).to_have_attribute("placeholder", "向你的文档提问")
    expect(answer.locator(".cite")).to_have_accessible_name("来源 1：warranty_ar.md，原文一致")
    answer.locator(".reuse-button").click()
    expect(answer.locator(".reuse-details")).to_contain_text("共享文档")
    assert tab.barriers() == []
    assert tab.misdeeds == []


def test_the_first_paint_is_small(world, tab, page) -> None:
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "performance.getEntries().filter(e => e.decodedBodySize).map(e => [e.name, e.decodedBodySize])"
    )
    n_bytes = sum(dict(sizes).values())
    assert len(sizes) > 10
    assert n_bytes < 200_000, sizes


def test_a_key_is_asked_for_where_one_is_needed(world, tab, page, key_in) -> None:
    key = key_in(world.data_dir)
    try:
        page.reload()
        dialog = page.locator("#key-dialog")
        expect(dialog).to_be_visible()
        page.fill("#key-field", "rag_wrong_key")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("key")
        assert tab.barriers() == []
        page.fill("#key-field", key)
        page.keyboard.press("Enter")
        expect(page.locator("#model")).to_have_value("tiny")
        expect(dialog).to_have_count(0)
        ask(page, world, PDF_QUOTE, "How often does the sensor read?").locator(".cite").click()
        expect(page.locator("#source mark")).to_have_text(PDF_QUOTE)
        expect(page.locator("#source img")).to_be_visible()
    finally:
        for file in world.data_dir.glob("keys.db*"):
            file.unlink()
    assert all("401" in each for each in tab.misdeeds)
