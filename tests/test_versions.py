"""The version is what the changelog says was released last, everywhere that it is told."""

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

from packaging.version import Version

from rag import __version__

ROOT = Path(__file__).parent.parent
HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)


def test_the_version_is_the_newest_released_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert HEADINGS[1].startswith(f"[{__version__}] - ")
    assert "version" in project["dynamic"]  # so that it stands in one place, rag/__init__.py
    said = subprocess.run([sys.executable, "-m", "rag", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"prefixrag {__version__}\n"


def test_the_changelog_goes_from_what_is_to_come_down_to_the_first_release() -> None:
    released = [re.fullmatch(r"\[([^]]+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in HEADINGS[1:]]
    versions = [Version(found[1]) for found in released]
    days = [date.fromisoformat(found[2]) for found in released]

    assert HEADINGS[0] == "[Unreleased]"
    assert versions == sorted(set(versions), reverse=True)
    assert days == sorted(days, reverse=True)
