"""Where a quote stands in a document that may have changed since."""

import base64
import hashlib
import re
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from rag.cite.folding import fold

_HASH_CHARS = 8  # 48 bits: enough to tell the spans of one document apart
_SUMS = 4096  # what sums of letters are told apart by: as a filter before the hash, 12 bits
_MARK = r"([\w-]{8})([0-9a-f]{3})"
_FINGERPRINT = re.compile(rf"{_MARK}{_MARK}([1-9a-f][0-9a-f]{{0,4}})", re.ASCII)
_REACH_CHARS = 500_000  # how far from its old place a quote is looked for: a second of work at most


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


@dataclass(frozen=True, slots=True)
class _Mark:
    """By what a run of characters is known again among all that are as long."""

    digest: str
    total: int  # of its code points

    @classmethod
    def of(cls, text: str) -> Self:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return cls(base64.urlsafe_b64encode(digest)[:_HASH_CHARS].decode("ascii"), sum(map(ord, text)) % _SUMS)

    def __str__(self) -> str:
        return f"{self.digest}{self.total:03x}"

    def nearest(self, text: str, length: int, near: int) -> int | None:
        """Where the run of this length stands in `text`, as near to `near` as can be."""
        if not 0 < length <= len(text):
            return None
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        sums = np.concatenate([[0], np.cumsum(codes, dtype=np.int64)])
        starts = np.flatnonzero((sums[length:] - sums[:-length]) % _SUMS == self.total)
        for start in starts[np.argsort(np.abs(starts - near), kind="stable")].tolist():
            if _Mark.of(text[start : start + length]) == self:
                return int(start)
        return None


def fingerprint(quote: str) -> str:
    """A few ASCII characters by which `trace` knows the quote again. The quote cannot be read from them."""
    folded = fold(quote).text
    return f"{_Mark.of(quote)}{_Mark.of(folded)}{min(len(folded), 0xFFFFF) or 1:x}"


def is_fingerprint(text: str) -> bool:
    """Whether `fingerprint` could have made this."""
    return _FINGERPRINT.fullmatch(text) is not None


def trace(text: str, start: int, end: int, print_: str) -> Traced:
    """Where in `text` the quote is that stood at `start:end` when `print_` was made of it.

    Of several places the nearest one counts; the same words come before words that are only spelled otherwise.

    Raises:
        ValueError: `print_` is no fingerprint.
    """
    parts = _FINGERPRINT.fullmatch(print_)
    if parts is None:
        raise ValueError(print_)
    exact, folded = _Mark(parts[1], int(parts[2], 16)), _Mark(parts[3], int(parts[4], 16))
    if _Mark.of(text[start:end]) == exact:
        return Traced(start=start, end=end, place=Place.HERE)
    first = max(0, min(start, len(text)) - _REACH_CHARS)
    near = text[first : start + _REACH_CHARS]
    found = exact.nearest(near, end - start, start - first)
    if found is not None:
        return Traced(start=first + found, end=first + found + end - start, place=Place.MOVED)
    plain, length = fold(near), int(parts[5], 16)
    found = folded.nearest(plain.text, length, bisect_left(plain.starts, start - first))
    span = None if found is None else plain.source_span(found, found + length)
    if span is not None:
        return Traced(start=first + span[0], end=first + span[1], place=Place.RESPELLED)
    return Traced(start=min(start, len(text)), end=min(end, len(text)), place=Place.LOST)
