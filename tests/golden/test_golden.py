"""What stands in the golden files is what is made today. `python tests/golden/regenerate.py` writes them anew."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MADE = runpy.run_path(str(FOLDER / "regenerate.py"))


@pytest.mark.parametrize("name", MADE["GOLDEN"])
def test_golden_file_is_what_is_made(name: str) -> None:
    file, make = MADE["GOLDEN"][name]
    assert make() == file.read_text("utf-8")


@pytest.mark.parametrize("words", list(MADE["commands"]()), ids=" ".join)
def test_every_help_has_an_example(words: tuple[str, ...]) -> None:
    assert "\n  Example:\n    " in MADE["help_of"](words)
