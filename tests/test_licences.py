"""docs/licences.md is of the locks as they are, and every licence on it may be there."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MADE = runpy.run_path(str(ROOT / "setup/licences.py"))
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/licences.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| package", "| ---"))
]


@pytest.mark.parametrize(("lock", "column"), [("cpu.txt", 1), ("cuda.txt", 2)])
def test_the_page_has_the_packages_and_versions_of_the_lock(lock: str, column: int) -> None:
    assert {row[0]: row[column] for row in TABLE if row[column]} == MADE["pins"](lock), "run `make licences`"


def test_every_licence_is_known_and_allowed_or_accepted_with_a_reason() -> None:
    problems = {}
    for name, _, _, licence, accepted in TABLE:
        package = MADE["Package"](name=name, versions={}, licence=licence.replace("unknown", ""), accepted=accepted)
        problems[name] = package.problem

    assert {name: problem for name, problem in problems.items() if problem} == {}


def test_what_is_installed_here_says_what_the_page_says() -> None:
    told = MADE["tomllib"].loads((ROOT / "setup/licences.toml").read_text("utf-8"))["stated"]
    found = {name: MADE["installed"](name, {"": cpu, "cuda": cuda}) for name, cpu, cuda, *_ in TABLE}
    page = {name: licence for name, _, _, licence, _ in TABLE if found[name] is not None}

    assert page == {name: told.get(name) or found[name] for name in page}
    assert len(page) > 100


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("MIT OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR GPL-3.0) AND Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", True),
        ("proprietary", False),
        ("AGPL-3.0-only", False),
    ],
)
def test_which_licences_are_allowed(licence: str, is_allowed: bool) -> None:
    assert MADE["allows"](licence) is is_allowed


@pytest.mark.parametrize(
    ("expression", "classifiers", "text", "licence"),
    [
        ("MIT", ["License :: OSI Approved :: BSD License"], None, "MIT"),
        (None, ["License :: OSI Approved :: Apache Software License"], "see LICENSE", "Apache-2.0"),
        (None, ["License :: Other/Proprietary License"], "Some Words", "proprietary"),
        (None, [], "MIT License\n\nCopyright (c) 2022", "MIT"),
        (None, ["License :: OSI Approved"], None, ""),
        (None, [], "MPL-2.0 AND MIT", "MPL-2.0 AND MIT"),
    ],
)
def test_metadata_is_read_in_all_its_ways(expression, classifiers, text, licence) -> None:
    assert MADE["licence"](expression, classifiers, text) == licence


def test_an_unknown_licence_fails_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    package = MADE["Package"](name="strange", versions={"cpu.txt": "1"}, licence="", accepted="")
    monkeypatch.setitem(MADE["main"].__globals__, "report", lambda: iter([package]))
    monkeypatch.setitem(MADE["main"].__globals__, "ROOT", tmp_path)
    monkeypatch.setitem(MADE["main"].__globals__, "PAGE", tmp_path / "licences.md")

    assert MADE["main"]() == 1
    assert "strange: its licence is not known" in capsys.readouterr().err
    assert "| strange | 1 |  | unknown |  |" in (tmp_path / "licences.md").read_text()
