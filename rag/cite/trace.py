"""Where a quote stands in a document that may have changed since."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from rag.cite.folding import fold

_HASH_CHARS = 8  # 48 bits: enough to tell the spans of one document apart
_PRINT = re.compile(rf"[\w-]{{{2 * _HASH_CHARS}}}[1-9a-f][0-9a-f]{{0,4}}", re.ASCII)
_REACH_CHARS = 500_000  # how far from its old place a quote is looked for: a second of work at most
_START = re.compile(r"(?<![A-Za-z0-9])\S|[^\x00-\x7f]")  # where a quote may begin: not inside an ASCII word


class Place(StrEnum):
    """How a quote stands in its document now."""

    HERE = "here"
    MOVED = "moved"  # the same words elsewhere
    RESPELLED = "respelled"  # elsewhere or here, with other white space, case, quotes or width
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Where the quote is. For a lost one, where it was, as far as the text still reaches."""

    start: int
    end: int
    place: Place


def fingerprint(quote: str) -> str:
    """A few ASCII characters by which `trace` knows the quote again. The quote cannot be read from them."""
    folded = fold(quote).text
    return f"{_hash(quote)}{_hash(folded)}{min(len(folded), 0xFFFFF) or 1:x}"


def is_fingerprint(text: str) -> bool:
    """Whether `fingerprint` could have made this."""
    return _PRINT.fullmatch(text) is not None


def trace(text: str, start: int, end: int, print_: str) -> Traced:
    """Where in `text` the quote is that stood at `start:end` when `print_` was made of it.

    Of several places the nearest one counts; the same words come before words that are only spelled otherwise.
    """
    exact, folded = print_[:_HASH_CHARS], print_[_HASH_CHARS : 2 * _HASH_CHARS]
    if _hash(text[start:end]) == exact:
        return Traced(start=start, end=end, place=Place.HERE)
    first = max(0, min(start, len(text)) - _REACH_CHARS)
    near = text[first : start + _REACH_CHARS]
    found = _nearest(near, end - start, start - first, lambda part: _hash(part) == exact)
    if found is not None:
        return Traced(start=first + found, end=first + found + end - start, place=Place.MOVED)
    plain, length = fold(near), int(print_[2 * _HASH_CHARS :], 16)
    before = sum(offset < start - first for offset in plain.offsets)
    found = _nearest(plain.text, length, before, lambda part: _hash(part) == folded)
    span = None if found is None else plain.source_span(found, found + length)
    if span is not None:
        return Traced(start=first + span[0], end=first + span[1], place=Place.RESPELLED)
    return Traced(start=min(start, len(text)), end=min(end, len(text)), place=Place.LOST)


def _nearest(text: str, length: int, near: int, is_it: Callable[[str], bool]) -> int | None:
    """Where the part of this length stands that `is_it`, as near to `near` as can be."""
    starts = (found.start() for found in _START.finditer(text, 0, max(0, len(text) - length + 1)))
    for start in sorted(starts, key=lambda start: abs(start - near)):
        if is_it(text[start : start + length]):
            return start
    return None


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest)[:_HASH_CHARS].decode("ascii")
