"""Which part of a long text one page shows. Pure."""

import unicodedata
from dataclasses import dataclass

SIZE = 6000
_LEAD = 1500  # of it before the quote
_SNAP = 400  # how far an edge is moved to the start of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part `start:end` of a text, and where the parts before and behind it start; None: there is none."""

    start: int
    end: int
    earlier: int | None
    later: int | None


def window(text: str, focus: tuple[int, int], start: int | None = None) -> Window:
    """The part from about `start` on; None: the part around `focus`, which is never cut in two."""
    first, last = focus
    wanted = first - _LEAD if start is None else min(start, len(text) - 1)
    begin = _snapped(text, wanted) if start is None else max(0, wanted)
    end = _snapped(text, begin + SIZE) if begin + SIZE < len(text) else len(text)
    if first < begin < last:
        begin = first
    if first < end < last:
        end = last
    return Window(
        start=begin,
        end=end,
        earlier=_snapped(text, begin - SIZE + _SNAP) if begin > 0 else None,  # they overlap rather than miss a line
        later=end if end < len(text) else None,
    )


def _snapped(text: str, at: int) -> int:
    """The start of the line at `at` or before, else of the word, else of the character."""
    at = max(0, at)
    line = text.rfind("\n", max(0, at - _SNAP), at) + 1
    word = line or text.rfind(" ", max(0, at - _SNAP), at) + 1
    if word or at <= _SNAP:
        return word
    while at > 0 and at < len(text) and unicodedata.category(text[at]).startswith("M"):
        at -= 1
    return at
