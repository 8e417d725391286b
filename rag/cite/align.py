"""Where a text says what a statement says."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rag.cite.folding import Folded, fold
from rag.cite.statements import sentences
from rag.cite.words import Words, is_unspaced, joined, plain, words_of, words_of_plain
from rag.types import Status

MIN_SCORE = 0.6
_WINDOW_SENTENCES = 3
_LENGTH_PENALTY = 0.1  # what a window loses at most for saying more than the statement
_END_PUNCTUATION = " .!?;:,؟।。\"'*_)"  # as folded: full-width marks are ASCII by then
_NUMBER_GOES_ON = re.compile(r"\d[.,]\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The span `start:end` of a text that supports a statement. `score` is 1 unless the status is fuzzy."""

    start: int
    end: int
    status: Status
    score: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    start: int
    end: int
    words: Words


class Source:
    """A chunk's text, prepared as far as statements have asked for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def plain(self) -> str:
        """The text as its words are read."""
        return plain(self.text)

    @functools.cached_property
    def words(self) -> Words:
        """All that the text talks about."""
        return words_of_plain(self.plain)

    @functools.cached_property
    def folded(self) -> Folded:
        """The text for comparisons that overlook spelling."""
        return fold(self.text)

    @functools.cached_property
    def windows(self) -> tuple[_Window, ...]:
        """Runs of up to three sentences, the shortest first."""
        spans = list(sentences(self.text))
        words = [words_of(self.text[start:end]) for start, end in spans]
        return tuple(
            _Window(start=spans[first][0], end=spans[first + n - 1][1], words=joined(words[first : first + n]))
            for n in range(1, _WINDOW_SENTENCES + 1)
            for first in range(len(spans) - n + 1)
        )


def align(statement: str, chunk_text: str) -> Match | None:
    """The best support for `statement` in `chunk_text`; None if it has none."""
    return align_in(statement, words_of(statement), Source(chunk_text))


def align_in(statement: str, words: Words, source: Source) -> Match | None:
    """As `align`, for a source that many statements are compared with. `words` are the statement's."""
    match = _exact(statement, source)
    if match is None and (not words.content or words.content <= source.words.content):
        match = _normalized(statement, source)  # folding takes longer than all else
    return match or _fuzzy(words, source)


def may_cover(words: Words, source: Source, share: float) -> bool:
    """Whether `source` may have that share of the statement's content words. Cheap: looks for letters, not words."""
    spelled = words.content - words.numbers
    n_missing = sum(word not in source.plain for word in spelled)
    return n_missing <= (1 - share) * len(words.content)


def _coverage(words: Words, source: Words) -> float:
    return len(words.content & source.content) / len(words.content) if words.content else 0.0


def _exact(statement: str, source: Source) -> Match | None:
    for start in _whole(statement, source.text):
        return Match(start=start, end=start + len(statement), status=Status.EXACT)
    return None


def _normalized(statement: str, source: Source) -> Match | None:
    folded = fold(statement).text.rstrip(_END_PUNCTUATION)
    for start in _whole(folded, source.folded.text):
        span = source.folded.source_span(start, start + len(folded))
        if span is not None:
            return Match(start=span[0], end=span[1], status=Status.NORMALIZED)
    return None


def _fuzzy(words: Words, source: Source) -> Match | None:
    if _coverage(words, source.words) < MIN_SCORE or not words.numbers <= source.words.numbers:
        return None
    best: Match | None = None
    for window in source.windows:
        if window.words.is_negated != words.is_negated or not words.numbers <= window.words.numbers:
            continue
        excess = 1 - min(1.0, len(words.content) / max(len(window.words.content), 1))
        score = _coverage(words, window.words) - _LENGTH_PENALTY * excess
        if score >= MIN_SCORE and (best is None or score > best.score):
            best = Match(start=window.start, end=window.end, status=Status.FUZZY, score=score)
    return best


def _whole(part: str, text: str) -> Iterator[int]:
    """Offsets where `part` stands in `text` without cutting a word or number in two."""
    if not any(char.isalnum() for char in part):
        return
    start = text.find(part)
    while start >= 0:
        if not _cuts(text, start) and not _cuts(text, start + len(part)):
            yield start
        start = text.find(part, start + 1)


def _cuts(text: str, at: int) -> bool:
    """Whether a cut at `at` goes through a word, a number or a character with its accent."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if unicodedata.category(after).startswith("M"):
        return True
    if before.isalnum() and after.isalnum():
        return (before.isdecimal() and after.isdecimal()) or not (is_unspaced(before) or is_unspaced(after))
    return any(_NUMBER_GOES_ON.fullmatch(text[max(at - n, 0) : at - n + 3]) for n in (1, 2))
