"""What stands at the end of an answer whose sources do not confirm all of it."""

import tomllib
import unicodedata
from collections.abc import Iterable
from importlib.resources import files

from rag.language import Languages

_MAX_CHARS = 160  # of a statement


class Notes:
    """Writes notes in the answer's language. Source of its words: `prompts/notes.toml`."""

    def __init__(self) -> None:
        words = tomllib.loads((files("prompts") / "notes.toml").read_text("utf-8"))
        self._texts: dict[str, str] = {code: each["text"] for code, each in words.items()}
        self._languages = Languages(self._texts)

    def note(self, answer: str, doubts: Iterable[tuple[str, str]]) -> str:
        """The note behind `answer`, with the blank line before it. Blocks.

        doubts: statements and their markers, of which one may be empty. Each pair is named once.
        """
        lines = [self._texts[self._languages.of(answer)]]
        for statement, marker in dict.fromkeys(doubts):
            quoted = [f"“{_short(statement)}”"] if statement else []
            lines.append(" ".join(["-", *quoted, marker]).rstrip())
        return "\n\n" + "\n".join(lines)


def _short(statement: str) -> str:
    """On one line, and no longer than is read at a glance."""
    words = " ".join(statement.split())
    if len(words) <= _MAX_CHARS:
        return words
    end = _MAX_CHARS
    while unicodedata.category(words[end]).startswith("M"):  # an accent stays with its letter
        end -= 1
    return words[:end].rstrip() + "…"
