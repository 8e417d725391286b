"""What stands around every page: navigation, colours, language, key, and the policy."""

import gzip
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

PAGES = ["/", "/reuse", "/documents", "/docs"]


@pytest.fixture(scope="module")
def url(serve_fake) -> Iterator[str]:
    with serve_fake("Yes.") as (url, _):
        yield url


def get(url: str, **headers: str):
    return urlopen(Request(url, headers=headers))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_opens_for_everybody(url, tab, path, scheme) -> None:
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour half way
    tab.page.goto(url + path, wait_until="networkidle")
    assert tab.page.locator("nav [aria-current=page]").count() == 1
    assert tab.barriers() == []
    tab.page.set_viewport_size({"width": 360, "height": 740})
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.misdeeds == []
    assert all(each.startswith(url) for each in tab.asked_for)


def test_language_and_colours_are_kept_from_page_to_page(url, tab) -> None:
    tab.page.goto(url + "/reuse")
    tab.page.select_option("#language", "zh")
    tab.page.select_option("#theme", "dark")
    tab.page.get_by_role("link", name="文档").click()
    assert tab.page.locator("html").get_attribute("lang") == "zh"
    assert tab.page.locator("#theme").input_value() == "dark"
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 23, 23)"
    assert tab.misdeeds == []


def test_a_key_stays_with_the_tab_unless_it_is_to_be_kept(url, tab) -> None:
    tab.page.goto(url + "/reuse")
    stored = "[sessionStorage.getItem('rag.key'), localStorage.getItem('rag.key')]"
    tab.page.click("#key-button")
    tab.page.fill("#key-field", "sk-one")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate(stored) == ["sk-one", None]
    tab.page.click("#key-button")
    tab.page.check("#key-keep")
    assert tab.barriers() == []
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate(stored) == [None, "sk-one"]
    tab.page.click("#key-button")
    tab.page.get_by_role("button", name="Forget").click()
    assert tab.page.evaluate(stored) == [None, None]
    expect(tab.page.locator("dialog")).to_have_count(0)
    assert tab.misdeeds == []


def test_both_languages_say_everything(url, tab) -> None:
    tab.page.goto(url + "/reuse")
    files = ["shell", "chat", "reuse", "documents"]
    unlike = """async files => {
        const base = document.querySelector("script[src*=early]").src.replace("early.js", "words/");
        const holes = text => [...text.matchAll(/\\{(@?\\w+)/g)].map(match => match[1]).sort().join();
        const wrong = [];
        for (const file of files) {
            const {en, zh} = (await import(base + file + ".js")).default;
            for (const key of new Set([...Object.keys(en), ...Object.keys(zh)]))
                if (!en[key] || !zh[key] || new Set(holes(en[key]).split(",")).symmetricDifference(
                    new Set(holes(zh[key]).split(","))).size) wrong.push(key);
        }
        return wrong;
    }"""
    assert tab.page.evaluate(unlike, files) == []


def test_a_file_is_kept_for_good_under_its_version_and_a_page_is_asked_for_anew(url, tab) -> None:
    page = get(url)
    assert page.headers["cache-control"] == "no-cache"
    html = page.read().decode()
    script = html.partition('<script src="')[2].partition('"')[0]
    kept = get(f"{url}/{script}", **{"accept-encoding": "gzip"})
    assert "immutable" in kept.headers["cache-control"]
    assert gzip.decompress(kept.read()) == get(f"{url}/{script}").read()
    assert get(f"{url}/static/older/early.js").headers["cache-control"] == "no-cache"
    tab.page.goto(url)
    answer = tab.page.request.get(
        url, headers={"if-none-match": get(url).headers["etag"], "accept-encoding": "identity"}
    )
    assert answer.status == 304
    missing = tab.page.request.get(f"{url}/static/older/none.js")
    assert missing.status == 404
    assert missing.json()["error"]["code"] == "file_not_found"


def test_an_operation_of_the_api_opens_with_an_example_for_the_readers_address(url, tab) -> None:
    tab.page.goto(url + "/docs")
    tab.page.get_by_text("POST /v1/responses", exact=True).click()
    opened = tab.page.get_by_role("region", name="POST /v1/responses", exact=True)
    expect(opened.locator("pre")).to_contain_text(f"curl -s {url}/v1/responses")
    assert tab.barriers() == []
    opened.get_by_role("link", name="RagOptions").click()
    expect(tab.page.get_by_role("rowheader", name="top_k")).to_be_in_viewport()
    assert tab.misdeeds == []
    assert all(each.startswith(url) for each in tab.asked_for)


def test_nothing_runs_that_does_not_come_from_here(url, tab) -> None:
    tab.page.goto(url + "/reuse", wait_until="networkidle")
    tab.page.evaluate(
        """() => {
            for (const [name, set] of [
                ["script", made => made.append("document.title = `ran`")],
                ["img", made => (made.src = "http://203.0.113.7/x")],
                ["style", made => (made.textContent = "body {display: none}")],
            ]) {
                const made = document.createElement(name);
                try { set(made); document.body.append(made); } catch {}
            }
            try { document.body.innerHTML = "<img src=x onerror=alert(1)>"; } catch {}
        }"""
    )
    assert "Reuse" in tab.page.title()
    assert tab.page.locator("h1").is_visible()
    refused = (("Trusted" in each, "Content Security Policy" in each) for each in tab.misdeeds)
    assert len(tab.misdeeds) >= 4, tab.misdeeds
    assert all(map(any, refused)), tab.misdeeds
