"""Every claim of the threat model in docs/security.md names tests, and every test that it names is there and runs."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/security.md").read_text("utf-8").partition("## Threat model")[2]
TOPICS = {
    "Hostile documents",
    "Prompt injection across roles",
    "Other tenants",
    "Paths and archives",
    "Requests and the proxy",
    "Exhaustion",
    "Secrets",
}
ROW = re.compile(r"^\| (?P<claim>.+?) \| (?P<tests>.*) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def claims() -> dict[str, str]:
    """The tests of each claim, as they stand on the page."""
    rows = {found["claim"]: found["tests"] for found in ROW.finditer(PAGE)}
    return {claim: tests for claim, tests in rows.items() if claim not in {"claim", "---"}}


def is_left_out(function: ast.FunctionDef | ast.AsyncFunctionDef, module: ast.Module) -> bool:
    """Whether it carries a marker that `make test` leaves out."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        options = tomllib.load(file)["tool"]["pytest"]["ini_options"]["addopts"]
    markers = set(re.findall(r"not (\w+)", " ".join(options)))
    everywhere = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)
    ]
    marks = " ".join(ast.unparse(each) for each in [*function.decorator_list, *everywhere])
    return bool(markers & set(re.findall(r"pytest\.mark\.(\w+)", marks)))


def test_the_page_has_every_topic_and_each_has_claims() -> None:
    parts = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    found = {part.partition("\n")[0]: len(ROW.findall(part)) - 2 for part in parts}

    assert found.keys() == TOPICS
    assert min(found.values()) >= 3


@pytest.mark.parametrize("claim", claims())
def test_a_claim_has_tests_that_are_there_and_run(claim: str) -> None:
    tests = claims()[claim]
    named = TEST.findall(tests)

    assert named, "a claim without a test is a wish"
    assert TEST.sub("", tests).replace("<br>", "").strip() == "", "something else stands among the tests"
    for file, name in named:
        module = ast.parse((ROOT / file).read_text("utf-8"))
        functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        function = next((node for node in functions if node.name == name), None)
        assert function, f"{file} has no {name}"
        assert not is_left_out(function, module), f"{name} is not run by `make test`"
