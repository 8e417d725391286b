"""Markers such as `[3]` in an answer that arrives in pieces."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import re
from collections.abc import Collection
from dataclasses import dataclass

from rag.cite.code import CodeTracker

_CLOSING = {"[": "]", "【": "】", "［": "］"}
_MAX_CHARS = 24
_MAX_RANGE = 8
_INSIDE = frozenset(",，、-–—")  # besides digits and blanks
_LINE_BREAKS = frozenset("\n\r\u2028\u2029")
# "a[0]" is an index and "\[1]" is escaped. ASCII only: scripts without spaces set markers right after a letter.
_GLUES = re.compile(r"[A-Za-z0-9_\\]")
_ITEM = re.compile(r"\s*(\d+)(?:\s*[-–—]\s*(\d+))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A marker as it was written. `blanks` is the white space directly before it, line breaks excepted."""

    blanks: str
    text: str
    numbers: tuple[int, ...]

    def only(self, known: Collection[int]) -> "Marker | None":
        """The marker without the numbers that are not known; None when none is left."""
        left = tuple(number for number in self.numbers if number in known)
        if left == self.numbers:
            return self
        if not left:
            return None
        text = f"{self.text[0]}{', '.join(map(str, left))}{self.text[-1]}"
        return Marker(blanks=self.blanks, text=text, numbers=left)


class MarkerScanner:
    """Splits text into plain text and markers, whatever pieces it comes in.

    Held back are only the beginning of a possible marker, the blanks before it, and a complete marker until the
    next character shows that it is no link.
    """

    def __init__(self) -> None:
        self._blanks = ""
        self._held = ""  # "[", "[1", "[1, 2", or with its closing bracket a complete marker
        self._is_glued = False  # a bracket that comes now would be an index
        self._is_index = False  # the last bracket that was opened is an index
        self._code = CodeTracker()
        self._found: list[str | Marker] = []

    def feed(self, text: str) -> list[str | Marker]:
        """What is certain by now, in order."""
        for char in text:
            self._take(char)
        return self._certain()

    @property
    def blanks(self) -> str:
        """The white space that is held back, since a marker may follow."""
        return self._blanks

    @property
    def held(self) -> str:
        """What is held back of a possible marker, without the blanks before it."""
        return self._held

    def finish(self) -> list[str | Marker]:
        """All that was held back."""
        if self._is_complete():
            self._mark()
        self._release()
        self._say(self._blanks)
        self._blanks = ""
        return self._certain()

    def _certain(self) -> list[str | Marker]:
        found, self._found = self._found, []
        return found

    def _take(self, char: str) -> None:
        self._code.take(char)
        if self._is_complete():
            if char == "(" and self._held[0] == "[":
                self._release()
            else:
                self._mark()
        elif self._held:
            if self._continues(char):
                self._held += char
                return
            self._release()
        if char in _CLOSING and not self._code.is_open and not (self._is_glued and char == "["):
            self._held = char
        else:
            self._pass(char)

    def _is_complete(self) -> bool:
        return len(self._held) > 1 and self._held[-1] == _CLOSING[self._held[0]]

    def _continues(self, char: str) -> bool:
        if len(self._held) == _MAX_CHARS:
            return False
        if char == _CLOSING[self._held[0]]:
            return bool(_numbers(self._held[1:]))
        return char.isdecimal() or char in _INSIDE or (char.isspace() and char not in _LINE_BREAKS)

    def _mark(self) -> None:
        numbers = _numbers(self._held[1:-1])
        self._found.append(Marker(blanks=self._blanks, text=self._held, numbers=numbers))
        self._held = self._blanks = ""
        self._is_glued = False

    def _release(self) -> None:
        """Let go of what was no marker after all."""
        held, self._held = self._held, ""
        for char in held:
            self._pass(char)

    def _pass(self, char: str) -> None:
        if char == "[":
            self._is_index, self._is_glued = self._is_glued, False
        elif char == "]":
            self._is_index, self._is_glued = False, self._is_index  # a[0][1]
        else:
            self._is_glued = _GLUES.match(char) is not None
        if char.isspace() and char not in _LINE_BREAKS and len(self._blanks) < _MAX_CHARS:
            self._blanks += char
        else:
            self._say(self._blanks + char)
            self._blanks = ""

    def _say(self, text: str) -> None:
        if self._found and isinstance(last := self._found[-1], str):
            self._found[-1] = last + text
        elif text:
            self._found.append(text)


def _numbers(inside: str) -> tuple[int, ...]:
    """The numbers that a marker names, each once; none if it is no marker."""
    numbers: dict[int, None] = {}
    for item in re.split("[,，、]", inside):
        found = _ITEM.fullmatch(item)
        if found is None:
            return ()
        first = int(found[1])
        last = int(found[2] or first)
        if not first <= last < first + _MAX_RANGE:
            return ()
        numbers.update(dict.fromkeys(range(first, last + 1)))
    return tuple(numbers)
