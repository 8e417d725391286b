"""Source code, as it is: the heading is the path of definitions, told by their words and indentation."""

import re

from ingest.readers.base import Extracted, Mark
from ingest.readers.decode import decode
from ingest.readers.outline import Outline

_TAB = 4
_LINE_CHARS = 500  # longer lines are no definitions
_DEFINING = """class|struct|interface|enum|trait|impl|union|protocol|extension|object|record|module|namespace|package
    |mod|func|function|fn|fun|def|defp|defmodule|sub|proc|macro_rules!|message|service|rpc|type|contract|library"""
_BEFORE = r"""export|default|public|private|protected|internal|static|final|abstract|sealed|open|data|async|unsafe
    |extern|const|inline|override|virtual|partial|pub(?:\([^)]*\))?|local|suspend|implicit|case|readonly|declare"""
_DEFINITION = re.compile(
    rf"(?:(?:{''.join(_BEFORE.split())})\s+)*(?:{''.join(_DEFINING.split())})\b"
    r"\s*(?:<[^<>]*>\s*)?(?:\([^()]*\)\s*)?([\w$.:~]+)"
)
_SQL = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|unique\s+|materialized\s+)*"
    r"(?:table|view|function|procedure|trigger|index|type|schema)\s+(?:if\s+not\s+exists\s+)?([\w.\"`\[\]]+)",
    re.IGNORECASE,
)
_SHELL = re.compile(r"([\w-]+)\s*\(\)\s*\{?\s*$")
_ASSIGNED = re.compile(
    r"(?:export\s+)?(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)[^=]*=>|\w+\s*=>)"
)
_LAST_NAME = re.compile(r"[\w:~]+$")
_NO_TYPES = frozenset(["return", "else", "new", "throw", "if", "for", "while", "switch", "catch", "do", "await"])


class CodeReader:
    """Code of any language that marks its definitions with a word, and of C's family."""

    def read(self, data: bytes) -> Extracted:
        """The file's text, a mark at each definition."""
        text = decode(data)
        outline = Outline()
        marks, start = [], 0
        for line in text.split("\n"):
            code = line.strip()
            if name := _defined(code):
                indent = len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB))
                marks.append(Mark(start=start, heading=outline.enter(indent, name)))
            start += len(line) + 1
        return Extracted(text=text, marks=tuple(marks))


def _defined(code: str) -> str | None:
    """The name that the line of code defines."""
    if not code or len(code) > _LINE_CHARS or code.startswith(("//", "#", "*", "/*", "--", "}")):
        return None
    for pattern in (_DEFINITION, _SQL, _ASSIGNED, _SHELL):
        if found := pattern.match(code):
            return found[1]
    return _function(code) if code.endswith("{") else None


def _function(code: str) -> str | None:
    """The name of a function of C's family: a type, the name, arguments, and a body that begins on this line."""
    head, bracket, _ = code.partition("(")
    words = head.split()
    found = _LAST_NAME.search(head.rstrip())
    if not bracket or not found or len(words) < 2 or words[0] in _NO_TYPES or any(each in head for each in "=.;\"'"):
        return None
    return found[0]
