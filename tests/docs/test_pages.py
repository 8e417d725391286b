"""What the pages say of each other and of the code is so."""

import importlib
import json
import re
import runpy
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from rag.settings import Settings

PAGES = runpy.run_path(str(Path(__file__).with_name("pages.py")))
ROOT, read, prose, inline_code = (PAGES[name] for name in ("ROOT", "read", "prose", "inline_code"))
ALL = PAGES["pages"]()
ENGLISH, CHINESE = read("README.md"), read("README.zh.md")


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page) -> None:
    dead = []
    for link in PAGES["links"](read(page)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in PAGES["anchors"](target.read_text("utf-8"))):
            dead.append(link)
    assert not dead


def test_every_page_is_in_the_index() -> None:
    linked = {Path(link).name for link in PAGES["links"](read("docs/README.md"))}

    assert {Path(page).name for page in ALL if page.startswith("docs/")} - linked == {"README.md"} - linked


@pytest.mark.parametrize("what", ["levels of headings", "blocks", "numbers", "links", "code in the text"])
def test_both_readmes_say_the_same(what) -> None:
    def said(text: str) -> object:
        match what:
            case "levels of headings":
                return re.findall(r"^(#+) ", prose(text), re.MULTILINE)
            case "blocks":
                return [(block.language, without_comments(block)) for block in PAGES["blocks_of"]("", text)]
            case "numbers":
                return Counter(PAGES["numbers"](text))
            case "links":
                return Counter(link for link in PAGES["links"](text) if not link.startswith("README"))
            case _:
                return Counter(inline_code(text))

    english, chinese = said(ENGLISH), said(CHINESE)
    if isinstance(english, Counter):
        assert (english - chinese, chinese - english) == (Counter(), Counter()), "README.md only, README.zh.md only"
    assert english == chinese


def without_comments(block) -> list[str]:
    comment = r"\s+#.*$" if block.language in {"sh", "python"} else r"$^"
    return [re.sub(comment, "", line) for line in block.code.split("\n")]


@pytest.mark.parametrize("page", ALL)
def test_modules_files_and_settings_that_are_named_exist(page) -> None:
    unknown = []
    for code in inline_code(read(page)):
        if re.fullmatch(r"(rag|ingest|prompts|adapters|tests|deploy|setup|docs|data|requirements)/[\w./@-]*\w", code):
            known = (ROOT / code).exists() or page == "CHANGELOG.md" or code.startswith(("data/bench", "data/clients"))
            unknown += [] if known else [code]
        elif found := re.match(r"([a-z]+)\.([a-z_]+)( =|$)", code):
            section = Settings.model_fields.get(found[1])
            if section and found[2] not in {"py", "toml", "json", "db"} and page != "CHANGELOG.md":
                unknown += (
                    []
                    if hasattr(section.annotation, "model_fields") and found[2] in section.annotation.model_fields
                    else [code]
                )
    assert not unknown


def test_what_the_life_of_a_request_names_is_there() -> None:
    page = read("docs/life-of-a-request.md")
    steps = re.findall(r"^(\d+)\. \*\*.+?\*\*(.+?)(?=^\d+\. |^## )", page, re.MULTILINE | re.DOTALL)

    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    for number, text in steps:
        names = re.findall(r"`(rag(?:\.\w+)+)`", text)
        assert names, f"step {number} names no code"
        for name in names:
            assert found(name), f"step {number}: {name}"


def found(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    words = name.split(".")
    for end in range(len(words), 0, -1):
        try:
            value = importlib.import_module(".".join(words[:end]))
        except ModuleNotFoundError:
            continue
        for word in words[end:]:
            if not hasattr(value, word):
                return False
            value = getattr(value, word)
        return True
    return False


def test_messages_that_are_quoted_are_in_the_code() -> None:
    code = " ".join(
        literals(file.read_text("utf-8")) for folder in ("rag", "ingest") for file in (ROOT / folder).rglob("*.py")
    )
    quoted = re.findall(r'"([^"]+)"', re.sub(r"`[^`]+`", "", prose(read("docs/troubleshooting.md"))))

    assert len(quoted) > 20
    for message in quoted:
        parts = [part.strip() for part in re.split("…", re.sub(r"\s+", " ", message))]
        missing = [part for part in parts if part and part not in code]
        assert not missing, f"{message!r}: not said by the program: {missing}"


def literals(source: str) -> str:
    """The source with strings that stand one below the other joined, as the compiler does."""
    return re.sub(r'"\s*\n\s*f?"', "", source)


def test_pages_are_plain() -> None:
    for page, text in ((page, read(page)) for page in ALL):
        fenced = chain.from_iterable(block.code.split("\n") for block in PAGES["blocks_of"](page, text))
        assert not [line for line in fenced if "\t" in line], page
        assert not re.search(r"^ {4,}(rag|make|pip|curl|python|docker) ", prose(text), re.MULTILINE), (
            f"{page}: put commands into a fenced block of sh, so that they are run"
        )


def test_pictures_are_of_the_figures_that_the_pages_tell() -> None:
    figures = json.loads(read("docs/img/reuse.json"))
    for table in figures["live"]:
        start = read("docs/reuse.md").index(f"| {table['workload']} |")
        rows = read("docs/reuse.md")[start:].split("\n\n")[0].replace("*", "").split("\n")[2:]
        told = [[cell.strip() for cell in row.strip("|").split("|")][:6] for row in rows]
        names = ("arm", "p50_ms", "p95_ms", "prompt", "uncached")
        assert told == [[*(str(one[name]) for name in names), f"{one['gold']:.3f}"] for one in table["arms"]]
    for one in figures["demo"]:
        said = f"{one['cached']} of {one['prompt']} prompt tokens reused, first token after {one['first_token_ms']} ms"
        assert said in ENGLISH
