"""The page of the API: it says all that the OpenAPI document does, and its examples are taken by the service."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

import httpx2
import pytest

LIMIT_S = 60


@pytest.fixture(scope="module")
def client(serve_fake):
    with serve_fake("Yes.") as (url, _), httpx2.Client(base_url=url, timeout=LIMIT_S) as client:
        yield client


class Page(HTMLParser):
    """Text by the section with an id that it stands in, and where its links and files are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.ids: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "section":
            self._open.append(found.get("id") or "")
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in {"href", "src", "action"} and value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.sections[self._open[-1]] = self.sections.get(self._open[-1], "") + data


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [(method, path, told) for path, methods in document["paths"].items() for method, told in methods.items()]


def test_every_operation_parameter_and_field_is_on_the_page(client) -> None:
    document, html = client.get("/openapi.json").json(), client.get("/docs").text
    page = Page(html)
    for method, path, told in operations(document):
        text = page.sections[told["operationId"]]
        assert f"<code>{method.upper()} {path}</code>" in html
        for parameter in told.get("parameters", ()):
            assert re.search(rf"^{re.escape(parameter['name'])}$", text, re.MULTILINE), (path, parameter["name"])
        for content in told.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            missing = [name for name in named["properties"] if f"{name}\n" not in text]
            assert not missing, (path, missing)
    assert len(operations(document)) > 40


def test_the_page_links_within_itself_and_to_its_own_service_alone(client) -> None:
    page = Page(client.get("/docs").text)
    assert [each for each, n in Counter(page.ids).items() if n > 1] == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    others = {link for link in page.links if not link.startswith(("#", "./", "static/"))}
    assert others == set()


def test_the_service_takes_the_example_of_every_body(client) -> None:
    bodies = [
        (method, path, content["application/json"]["example"])
        for method, path, told in operations(client.get("/openapi.json").json())
        if "application/json" in (content := told.get("requestBody", {}).get("content", {}))
    ]
    text = client.get("/docs").text.replace("&#34;", '"').replace("&#39;", "'")
    for method, path, example in bodies:
        assert f"-d '{json.dumps(example)}'" in text, path
        answer = client.request(method, re.sub(r"{\w+}", "none", path), json=example)
        # What it names is not there, and may be named so.
        assert answer.status_code in {200, 404, 503}, answer.text
    assert len(bodies) > 10
