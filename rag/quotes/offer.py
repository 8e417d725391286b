"""The sentences that an answer may quote, and the grammar that holds an engine to them."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rag.cite.statements import sentences, statement
from rag.types import Chunk, Hit, Shown

MAX_QUOTES = 4  # in an answer
# An engine makes tables of a grammar before the first token. Source: xgrammar 0.2.8 with 49,152 tokens on 2 cores took
# 12 ms for 10 sentences, 56 for 50 (6,500 characters), 295 for 200 (27,000) (2026-11).
_MAX_SENTENCES = 50
_MAX_CHARS = 8000
_MIN_WORDS = 2
_MIN_UNSPACED_CHARS = 4
UNKNOWN = "The documents do not say."  # what the system text asks for, so a model's own words where nothing answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotable:
    """The sentence `start:end` of a chunk's text, and the number that the prompt shows the chunk under."""

    number: int
    chunk: Chunk
    start: int
    end: int

    @property
    def text(self) -> str:
        """The sentence."""
        return self.chunk.text[self.start : self.end]

    @property
    def line(self) -> str:
        """What a model writes to quote it: as its instructions have it, the words and their marker."""
        return f"{self.text} [{self.number}]"


@dataclass(frozen=True)  # no slots: the grammar is made once
class Offer:
    """What may be quoted, by the line that a model writes for it."""

    quotables: Mapping[str, Quotable]

    @cached_property
    def grammar(self) -> str:
        """One to four different or equal lines, or that nothing answers, in the EBNF of xgrammar and llguidance."""
        lines = " | ".join(map(_literal, self.quotables))
        more = f'("\\n" quote){{0,{MAX_QUOTES - 1}}}'
        return f"root ::= {_literal(UNKNOWN)} | quote {more}\nquote ::= {lines}\n"


def offer(hits: Sequence[Hit], shown: Sequence[Shown]) -> Offer | None:
    """The sentences of those `hits` that the prompt shows, of the best ones first; None if there are none.

    At most 50 sentences and 8,000 characters; a sentence that stands in several hits is the best one's.
    """
    quotables: dict[str, Quotable] = {}
    texts: set[str] = set()
    n_chars = 0
    numbers = {one.chunk.seq: one.number for one in shown}
    for hit in hits:
        if (number := numbers.get(hit.chunk.seq)) is None:
            continue
        for start, end in _spans(hit.chunk.text):
            quotable = Quotable(number=number, chunk=hit.chunk, start=start, end=end)
            if quotable.text in texts or n_chars + len(quotable.line) > _MAX_CHARS:
                continue
            texts.add(quotable.text)
            n_chars += len(quotable.line)
            quotables[quotable.line] = quotable
            if len(quotables) == _MAX_SENTENCES:
                return Offer(quotables)
    return Offer(quotables) if quotables else None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Of the sentences that say something: no headings, no single words, nothing that a line cannot hold."""
    for first, last in sentences(text):
        if text[first] == "#" or (span := statement(text, first, last)) is None:
            continue
        said = text[span[0] : span[1]]
        says_enough = len(said.split()) >= _MIN_WORDS or (not said.isascii() and len(said) >= _MIN_UNSPACED_CHARS)
        if says_enough and not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in said):
            yield span


def _literal(text: str) -> str:
    """`text` in quotation marks. Whatever else it has stands for itself: lines have no control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
