"""The locks hold what pyproject.toml asks for, and say nothing of where it comes from."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
EXTRAS = {"cpu.txt": ("engine-cpu", "models"), "cuda.txt": ("engine", "models")}


def asked_for(lock: str) -> list[Requirement]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        tables = tomllib.load(file)
    project = tables["project"]
    extras = [line for extra in EXTRAS[lock] for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in project["dependencies"] + extras + tables["dependency-groups"]["dev"]]


def pins(lock: str, python: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
    listed = [Requirement(line) for line in lines if not line.startswith("#")]
    here = {"python_version": python, "python_full_version": f"{python}.9", "platform_machine": "x86_64"}
    return {pin.name: str(pin.specifier) for pin in listed if pin.marker is None or pin.marker.evaluate(here)}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_meets_pyproject(lock: str, python: str) -> None:
    pinned = pins(lock, python)

    unmet = [
        str(wanted)
        for wanted in asked_for(lock)
        if not wanted.specifier.contains(pinned.get(wanted.name, "==0").removeprefix("=="), prereleases=True)
    ]
    assert unmet == [], "run `make lock`"


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_names_no_place(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")

    assert "://" not in text
    assert "\n-" not in text


@pytest.mark.parametrize("main", EXTRAS)
@pytest.mark.parametrize("lock", sorted(file.name for file in (ROOT / "requirements" / "bench").glob("*.txt")))
def test_a_program_that_we_compare_with_brings_nothing_that_we_have(lock: str, main: str) -> None:
    ours = {canonicalize_name(name) for name in pins(main, "3.12")}
    theirs = {canonicalize_name(name) for name in pins(f"bench/{lock}", "3.12")}

    assert theirs
    assert not ours & theirs, "it would compute with other libraries than we do"
