"""The pages of the repository as what is checked of them: code blocks with their marks, headings, links, inline code.

A block that cannot be run where the tests run says so, and why, in a comment directly above it:

    <!-- not run: needs an NVIDIA GPU -->

and one that needs the packages of another program's client says which environment it runs in (`make test-clients`):

    <!-- run with: langchain -->
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"<!-- (not run|run with): (.+?) -->")
_FENCE = re.compile(r"^( *)(`{3,})([\w-]*)$")
SAMPLE = "data/sample/"  # documents to ask, not pages to follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: str  # path below the root
    line: int  # of its first line of code, from 1
    language: str
    code: str
    not_run: str = ""  # why
    run_with: str = ""  # name of the environment

    @property
    def place(self) -> str:
        """Where an editor finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The paths of all pages below the root, those too that the next commit adds."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return sorted(name for name in listed if not name.startswith(SAMPLE) and (ROOT / name).is_file())


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text("utf-8")


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        if opened := _FENCE.match(lines[number]):
            end = number + 1
            while lines[end].strip() != opened[2]:
                end += 1
            marked = _MARK.fullmatch(lines[number - 1].strip())
            yield Block(
                page=page,
                line=number + 2,
                language=opened[3],
                code="\n".join(line.removeprefix(opened[1]) for line in lines[number + 1 : end]) + "\n",
                not_run=marked[2] if marked and marked[1] == "not run" else "",
                run_with=marked[2] if marked and marked[1] == "run with" else "",
            )
            number = end
        number += 1


def prose(text: str) -> str:
    """A page without its blocks and comments."""
    outside, inside = [], False
    for line in text.split("\n"):
        if _FENCE.match(line) or (inside and re.fullmatch(r" *`{3,}", line)):
            inside = not inside
        elif not inside:
            outside.append(line)
    return re.sub(r"<!--.*?-->", "", "\n".join(outside), flags=re.DOTALL)


def inline_code(text: str) -> list[str]:
    """What stands between backticks in the prose, on one line or over its end."""
    return [re.sub(r"\s+", " ", found) for found in re.findall(r"`([^`]+)`", prose(text))]


def links(text: str) -> list[str]:
    """The targets of all links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """What a link into the page may end with, as GitHub makes it of the headings."""
    made = set()
    for heading in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", heading).lower()
        made.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return made


def commands(code: str) -> list[str]:
    """The commands of a shell block, a line each, without comments; continued lines are joined."""
    joined = code.replace("\\\n", " ")
    return [line for line in (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.split("\n")) if line]


def numbers(text: str) -> Sequence[str]:
    """The numbers of the prose in ascending order, as they are written."""
    plain = re.sub(r"\]\([^)]+\)", "]", prose(text))
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", plain))
