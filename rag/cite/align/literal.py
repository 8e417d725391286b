"""Where a text says a statement in its own words."""

import re
from collections.abc import Iterator

from rag.cite.align.source import Source
from rag.cite.folding import fold
from rag.cite.graphemes import inner_offsets
from rag.cite.tokens import is_unspaced
from rag.types import Status

_END_PUNCTUATION = " .!?;:,؟।。\"'*_)"  # as folded: full-width marks are ASCII by then
_NUMBER_GOES_ON = re.compile(r"\d[.,]\d")

Found = tuple[int, int, Status]


def literal(statement: str, source: Source, *, is_likely: bool) -> Found | None:
    """The span of `source` that is the statement, to the letter or normalised.

    is_likely: False looks to the letter only; to normalise a text takes longer than all else.
    """
    for start in _whole(statement, source.text):
        return start, start + len(statement), Status.EXACT
    if not is_likely:
        return None
    folded = fold(statement).text.rstrip(_END_PUNCTUATION)
    for start in _whole(folded, source.folded.text):
        if span := source.folded.source_span(start, start + len(folded)):
            return *span, Status.NORMALIZED
    return None


def _whole(part: str, text: str) -> Iterator[int]:
    """Offsets where `part` stands in `text` without cutting a word, a number or a grapheme cluster in two."""
    if not any(char.isalnum() for char in part):
        return
    start = text.find(part)
    while start >= 0:
        if not _cuts(text, start) and not _cuts(text, start + len(part)):
            yield start
        start = text.find(part, start + 1)


def _cuts(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isalnum() and after.isalnum():
        return (before.isdecimal() and after.isdecimal()) or not (is_unspaced(before) or is_unspaced(after))
    return at in inner_offsets(text) or any(
        _NUMBER_GOES_ON.fullmatch(text[max(at - n, 0) : at - n + 3]) for n in (1, 2)
    )
