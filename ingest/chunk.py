"""Text to chunks: spans that end where sections, paragraphs and sentences end. Pure."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.readers.base import Cells, Extracted, Mark
from rag.types import Anchor

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Raise it when the same file gives other text, chunks or forewords: documents are then ingested again.
VERSION = 3
# A word of a hundred letters or more is one token to some tokenizers. This bounds what such text makes of a chunk.
_CHARS_PER_TOKEN = 10
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_WORD_START = re.compile(r"(?<!\S)\S")
_UNDERLINE = re.compile(r"\s*[=\-]+\s*$")


@dataclass(frozen=True, slots=True)
class Span:
    """A slice of a text."""

    start: int
    end: int


class Chunker:
    """Cuts texts for one tokenizer and size. Building one takes a tenth of a second, so keep it."""

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int, overlap_tokens: int = 0) -> None:
        """max_tokens: largest chunk, special tokens not counted.

        overlap_tokens: of those, how many at most repeat the end of the chunk before; at most half.
        """
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        self._tokenizer = tokenizer
        self._overlap_tokens = overlap_tokens
        max_tokens -= overlap_tokens
        self._max_tokens = max_tokens  # of a span before it is lengthened
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(tokenizer, max_tokens)
        self._text = TextSplitter.from_huggingface_tokenizer(tokenizer, max_tokens)
        # What is left of a chunk when a lone heading is put before it.
        self._after_heading = TextSplitter.from_huggingface_tokenizer(tokenizer, max_tokens - max_tokens // 4)
        self._characters = TextSplitter(max_tokens * _CHARS_PER_TOKEN)

    @property
    def tokenizer(self) -> "Tokenizer":
        """What it counts with."""
        return self._tokenizer

    def chunk(self, extracted: Extracted) -> tuple[Span, ...]:
        """Spans in order that leave out nothing but white space and front matter, and overlap by no more than they may.

        No span is only white space or above the size. A span runs across a heading or a page only where the
        sections are so small that they fit together; a heading stands with what it heads.
        """
        spans = [span for section in _sections(extracted) for span in self._split(extracted, section)]
        joined = tuple(self._join(extracted, spans))
        if not self._overlap_tokens:
            return joined
        headings = [mark.start for mark in extracted.marks if mark.heading]
        return joined[:1] + tuple(
            self._lengthened(extracted.text, before, span, headings) for before, span in pairwise(joined)
        )

    def _lengthened(self, text: str, before: Span, span: Span, headings: Sequence[int]) -> Span:
        """The span from as far back in the one before as may be repeated, at the start of a word.

        Not from before the heading that it stands below: a chunk's anchor is where it starts.
        """
        above = bisect_right(headings, span.start)
        first = max(before.start, headings[above - 1] if above else 0)
        first = max(first, before.end - self._overlap_tokens * _CHARS_PER_TOKEN)
        starts = [word.start() for word in _WORD_START.finditer(text, first, before.end)]

        def fits(start: int) -> bool:
            is_short = self._count(text, Span(start, before.end)) <= self._overlap_tokens
            return is_short and self._count(text, Span(start, span.end)) <= self._max_tokens + self._overlap_tokens

        found = bisect_left(starts, True, key=fits)
        return Span(starts[found], span.end) if found < len(starts) else span

    def _split(self, extracted: Extracted, section: Span) -> Iterator[Span]:
        splitter = self._markdown if extracted.is_markdown else self._text
        text = extracted.text[section.start : section.end]
        for offset, piece in splitter.chunk_indices(text):
            if len(piece) <= self._max_tokens * _CHARS_PER_TOKEN:
                yield from _trimmed(extracted.text, section.start + offset, section.start + offset + len(piece))
                continue
            for inner, part in self._characters.chunk_indices(piece):
                start = section.start + offset + inner
                yield from _trimmed(extracted.text, start, start + len(part))

    def _join(self, extracted: Extracted, spans: Sequence[Span]) -> Iterator[Span]:
        """The spans, small ones put before the next where both fit, lone headings in any case."""
        text = extracted.text
        starts = {mark.start for mark in extracted.marks if mark.heading}
        waiting = list(reversed(spans))
        while waiting:
            span = waiting.pop()
            while waiting and self._is_small(text, span):
                following = waiting[-1]
                joined = Span(span.start, following.end)
                if not self._fits(text, joined):
                    if not _is_heading(text, span, starts) or not self._cut(text, following, waiting):
                        break
                    joined = Span(span.start, waiting[-1].end)
                    if not self._fits(text, joined):
                        break
                waiting.pop()
                span = joined
            yield span

    def _cut(self, text: str, span: Span, waiting: list[Span]) -> bool:
        """Whether the last of `waiting`, which is `span`, could be replaced by a shorter piece and its rest."""
        first, *rest = self._after_heading.chunk_indices(text[span.start : span.end])
        if not rest:
            return False
        waiting[-1] = Span(span.start + rest[0][0], span.end)
        waiting.append(Span(span.start, span.start + first[0] + len(first[1])))
        return True

    def _is_small(self, text: str, span: Span) -> bool:
        return self._count(text, span) <= self._max_tokens // 4

    def _fits(self, text: str, span: Span) -> bool:
        is_short = span.end - span.start <= self._max_tokens * _CHARS_PER_TOKEN
        return is_short and self._count(text, span) <= self._max_tokens

    def _count(self, text: str, span: Span) -> int:
        return len(self._tokenizer.encode(text[span.start : span.end], add_special_tokens=False).ids)


def recipe(max_tokens: int, overlap_tokens: int = 0) -> str:
    """How text becomes chunks and what is embedded of them, as documents remember it.

    With another recipe they count as changed. Chunks of which the same is embedded keep their vectors all the same.
    """
    return f"{VERSION}/{max_tokens}" + (f"+{overlap_tokens}" if overlap_tokens else "")


def anchors(extracted: Extracted, spans: Sequence[Span]) -> tuple[Anchor, ...]:
    """Where each span begins, and in a sheet the cells from which it is. Spans must be in order."""
    found = []
    starts = [mark.start for mark in extracted.marks]
    line, counted = 1, 0
    for span in spans:
        first = bisect_right(starts, span.start)
        mark = extracted.marks[first - 1] if first else Mark(start=0)
        rows = (mark, *extracted.marks[first : bisect_left(starts, span.end)])
        cells = [each.cells for each in rows if each.cells and each.sheet == mark.sheet]
        anchor = Anchor(
            heading=mark.heading,
            page=mark.page,
            slide=mark.slide,
            sheet=mark.sheet,
            cells=str(reduce(Cells.joined, cells)) if cells else None,
        )
        line += extracted.text.count("\n", counted, span.start)
        counted = span.start
        found.append(replace(anchor, line=line) if extracted.has_lines else anchor)
    return tuple(found)


def _sections(extracted: Extracted) -> Iterator[Span]:
    starts = sorted({extracted.body, *(mark.start for mark in extracted.marks if mark.cells is None)})
    for start, end in zip(starts, [*starts[1:], len(extracted.text)], strict=True):
        if extracted.text[start:end].strip():
            yield Span(start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if piece.strip():
        yield Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))


def _is_heading(text: str, span: Span, starts: set[int]) -> bool:
    """Whether the span is headings and nothing below them."""
    lines = _LINE.finditer(text, span.start, span.end)
    return all(line.start() in starts or _UNDERLINE.match(line[0]) for line in lines)
