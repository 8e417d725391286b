"""The page of a source, as a reader sees it who follows the link of a citation."""

import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Store

make_pdf = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "test_readers.py"))["make_pdf"]

QUOTE = "The frost alert is sent when the air cools to 2 degrees Celsius."
PDF_QUOTE = "The tide sensor reads every 90 seconds."
ARABIC = "يستمر الضمان القياسي ستة وعشرين شهرا من تاريخ الشراء."
TURNED_QUOTE = "The barometer stands on the shelf by the door."
HOSTILE_QUOTE = "The hostile document lasts <b>seven</b> \"days\" & 'nights' {{ 7 * 7 }}."
LONG = "\n\n".join(
    f"## Part {n}\n\nParagraph {n} of the manual says nothing that anybody asks about." for n in range(400)
)
EVIL = "http://203.0.113.7"  # of the range that is kept for documentation
HOSTILE_TITLE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = f"""# "><svg onload=alert(3)> <a href="javascript:alert(4)">heading</a>

<script>alert(5); fetch("{EVIL}/script")</script></mark></div></article>
<img src="{EVIL}/picture.png" onerror="alert(6)"><iframe src="{EVIL}/frame"></iframe>
<style>@import "{EVIL}/style"; body {{ background: url({EVIL}/background) }}</style></style>
<link rel="stylesheet" href="{EVIL}/sheet"><meta http-equiv="refresh" content="0;url={EVIL}/refresh">
<base href="{EVIL}/"><form action="{EVIL}/form"><input autofocus onfocus=alert(7)></form>
<!-- --><object data="{EVIL}/object"></object><math><mtext></mtext><style><img src onerror=alert(8)></style></math>
&lt;script&gt;alert(9)&lt;/script&gt; &#60;img src=x onerror=alert(10)&#62; \u2028 \u202e reversed \u2066 isolated
' onmouseover='alert(11)' x=' ` ${{alert(12)}} {{{{ config }}}} {{% include "/etc/passwd" %}} ]]> --> </textarea></pre>

{HOSTILE_QUOTE} Afterwards it ends.
"""


NAME = "<i>notes</i> \"'&"
HOSTILE_FILE = "\"'><img src=x onerror=alert(13)>.md"


@dataclass(frozen=True)
class World:
    """A service over a folder of documents, whose engine says what it is told last."""

    url: str
    docs: Path
    data_dir: Path
    says: list[str]

    def link(self, quote: str) -> str:
        """The link of the citation that an answer has which says `quote`."""
        self.says[:] = [quote]
        with OpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0) as client:
            question = [{"role": "user", "content": quote}]
            here = {"rag": {"collection": NAME}}
            said = client.chat.completions.create(model="tiny", messages=question, extra_body=here)
        return next(c["url"] for c in said.model_extra["rag"]["citations"] if c["quote"] == quote)

    def ingest(self) -> None:
        store = Store(self.data_dir)
        ingest([self.docs], collection=NAME, store=store, encoder=FakeEncoder(), settings=Settings().ingest)
        store.close()


@pytest.fixture(scope="module")
def world(serve_fake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    docs, says = folder / "docs", [""]
    docs.mkdir()
    parts = LONG.split("\n\n")
    middle = len(parts) // 2
    alerts = ["# Alerts", *parts[:middle], f"{QUOTE} It rings twice.", *parts[middle:]]
    (docs / "alerts.md").write_text("\n\n".join(alerts))
    (docs / "sensor.pdf").write_bytes(make_pdf("A page before it", PDF_QUOTE, title=HOSTILE_TITLE))
    arabic = f"# الضمان\n\nمقدمة قصيرة عن المحطة.\n\n{ARABIC} وهكذا.\n\nEnglish words stand here.\n"
    (docs / "warranty_ar.md").write_text(arabic, "utf-8")
    (docs / "turned.md").write_text(f"# Turned\n\nBefore it. \u202e {TURNED_QUOTE} Behind it.\n", "utf-8")
    (docs / HOSTILE_FILE).write_text(HOSTILE, "utf-8")
    with serve_fake(lambda _: says[0], settings={"data_dir": folder / "data"}) as (url, _):
        made = World(url=url, docs=docs, data_dir=folder / "data", says=says)
        made.ingest()
        yield made


def is_in_view(tab, selector: str) -> bool:
    box = tab.page.locator(selector).bounding_box()
    height = tab.page.viewport_size["height"]
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= height


def background(tab) -> str:
    return tab.page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_quote_is_highlighted_in_its_place_and_in_view(world, tab) -> None:
    tab.page.goto(world.link(QUOTE))
    mark = tab.page.locator("mark")
    assert mark.count() == 1
    assert mark.text_content() == QUOTE
    assert is_in_view(tab, "mark")
    assert tab.page.title() == "Alerts"
    assert "Alerts > Part 19" in tab.page.locator("dl").inner_text()
    assert tab.misdeeds == []
    assert all(each.startswith(world.url) for each in tab.asked_for)


def test_a_reader_reads_on_in_both_directions_and_comes_back(world, tab) -> None:
    tab.page.goto(world.link(QUOTE))
    first = tab.page.locator(".text").text_content()
    tab.page.get_by_role("link", name="Later").first.click()
    later = tab.page.locator(".text").text_content()
    assert later not in first
    assert "Paragraph 260 " in later
    assert tab.page.locator("mark").count() == 0
    tab.page.get_by_role("link", name="Back to the quote").first.click()
    assert tab.page.locator("mark").text_content() == QUOTE
    assert is_in_view(tab, "mark")
    tab.page.get_by_role("link", name="Earlier").last.click()
    assert "Paragraph 180 " in tab.page.locator(".text").text_content()
    tab.page.get_by_role("link", name="whole document").click()
    assert tab.page.locator("body").inner_text().startswith("# Alerts")
    assert tab.misdeeds == []


def test_the_page_of_a_pdf_is_a_picture_beside_the_text(world, tab) -> None:
    tab.page.goto(world.link(PDF_QUOTE))
    assert tab.page.locator("mark").text_content() == PDF_QUOTE
    assert tab.page.title() == tab.page.locator("h1").text_content() == HOSTILE_TITLE
    picture = tab.page.locator("figure img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1200
    assert picture.get_attribute("alt") == "Page 2 of the document, with the passage highlighted"
    assert picture.bounding_box()["x"] > tab.page.locator(".text").bounding_box()["x"] + 300
    tab.page.set_viewport_size({"width": 390, "height": 844})
    assert picture.bounding_box()["y"] > tab.page.locator(".text").bounding_box()["y"] + 50
    assert tab.misdeeds == []


def test_a_hostile_document_runs_nothing_and_fetches_nothing(world, tab) -> None:
    tab.page.goto(world.link(HOSTILE_QUOTE))
    tab.page.wait_for_load_state("networkidle")
    assert tab.page.locator("mark").text_content() == HOSTILE_QUOTE
    text = tab.page.locator(".text").text_content()
    for trick in ("<script>alert(5)", "{{ config }}", "&lt;script&gt;alert(9)", "</textarea></pre>", "\u202e reversed"):
        assert trick in text
    assert NAME in tab.page.locator(".path").text_content()
    assert HOSTILE_FILE in tab.page.locator(".path").text_content()
    for element in (
        "script",
        "iframe",
        "object",
        "svg",
        "form",
        "input",
        "base",
        "img",
        "meta[http-equiv]",
        "style ~ style",
    ):
        assert tab.page.locator(element).count() == 0, element
    assert "change the direction of reading" in tab.page.locator(".note").inner_text()
    tab.page.mouse.move(600, 400)
    tab.page.get_by_role("link", name="whole document").click()
    tab.page.wait_for_load_state("networkidle")
    assert "alert(5)" in tab.page.locator("body").inner_text()
    assert tab.misdeeds == []
    assert all(each.startswith(world.url) for each in tab.asked_for)


def test_a_character_that_turns_text_around_does_not_reach_over_the_quote(world, tab) -> None:
    tab.page.goto(world.link(TURNED_QUOTE))
    edges = tab.page.evaluate(
        """() => {
            const left = (node, at) => {
                const range = document.createRange();
                range.setStart(node, at);
                range.setEnd(node, at + 3);
                return range.getBoundingClientRect().left;
            };
            const quote = document.querySelector("mark").firstChild;
            const after = document.querySelector(".text").lastChild;
            return [left(quote, 0), left(quote, 30), left(after, 1), left(after, 6)];
        }"""
    )
    first, later, behind, last = edges
    assert first < later
    assert last < behind  # where nothing stops it, it does
    assert "change the direction of reading" in tab.page.locator(".note").inner_text()


def test_the_style_is_the_only_thing_that_the_policy_lets_in(world, tab) -> None:
    tab.page.goto(world.link(QUOTE))
    assert tab.page.evaluate("getComputedStyle(document.querySelector('.text')).whiteSpace") == "pre-wrap"
    tab.page.evaluate(
        "for (const [name, set] of [['script', s => s.text = 'document.title = `ran`'],"
        " ['img', i => i.src = 'http://203.0.113.7/x'], ['style', s => s.textContent = 'body {display: none}']])"
        " { const made = document.createElement(name); set(made); document.body.append(made) }"
    )
    assert tab.page.title() == "Alerts"
    assert tab.page.locator("h1").is_visible()
    assert len(tab.misdeeds) == 3, tab.misdeeds  # each is refused, and said so
    assert all("Content Security Policy" in each for each in tab.misdeeds)


def test_text_from_right_to_left_stands_on_the_right(world, tab) -> None:
    tab.page.goto(world.link(ARABIC))
    assert tab.page.locator("mark").text_content() == ARABIC
    edges = tab.page.evaluate(
        """() => {
            const text = document.querySelector(".text"), range = document.createRange();
            const edge = words => {
                const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
                while (walker.nextNode()) {
                    const at = walker.currentNode.data.indexOf(words);
                    if (at < 0) continue;
                    range.setStart(walker.currentNode, at);
                    range.setEnd(walker.currentNode, at + words.length);
                    const words_ = range.getBoundingClientRect(), around = text.getBoundingClientRect();
                    return [words_.left - around.left, around.right - words_.right];
                }
            };
            return [edge("مقدمة قصيرة"), edge("English words")];
        }"""
    )
    (arabic_left, arabic_right), (english_left, english_right) = edges
    assert arabic_right < arabic_left
    assert english_left < english_right


def test_the_page_follows_the_colours_that_the_reader_likes_and_fits_a_phone(world, tab) -> None:
    tab.page.goto(world.link(QUOTE))
    light = background(tab)
    tab.page.emulate_media(color_scheme="dark")
    assert background(tab) != light
    tab.page.set_viewport_size({"width": 360, "height": 740})
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    tab.page.goto(world.url + "/v1/sources/none")
    assert tab.page.locator("h1").inner_text() == "This source is not there"
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_a_reader_prints_has_the_quote(world, tab) -> None:
    tab.page.goto(world.link(QUOTE))
    tab.page.emulate_media(media="print")
    assert tab.page.locator("mark").is_visible()
    assert not tab.page.get_by_role("link", name="Later").first.is_visible()
    assert tab.page.pdf().startswith(b"%PDF-")


def test_a_link_opens_in_a_browser_that_has_no_key(world, tab, key_in) -> None:
    link = world.link(QUOTE)
    key_in(world.data_dir)
    try:
        tab.page.goto(link)
        assert tab.page.locator("mark").text_content() == QUOTE
        tab.page.get_by_role("link", name="Later").first.click()
        assert "Paragraph 260 " in tab.page.locator(".text").text_content()
        tab.page.goto(link.partition("?")[0])
        assert tab.page.locator("h1").inner_text() == "This source does not open without a key"
        tab.page.goto(link.replace("sig=", "sig=x"))
        assert "its signature does not hold" in tab.page.locator("main").inner_text()
    finally:
        for file in world.data_dir.glob("keys.db*"):
            file.unlink()
