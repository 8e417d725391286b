"""Chunks are slices of the text, in order, of bounded size, and know where they stand."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import Chunker, Span, anchors
from ingest.readers import Extracted, Mark
from ingest.readers.markdown import MarkdownReader
from rag.embed import FakeEncoder
from rag.types import Anchor

MAX_TOKENS = 16
LINES = st.sampled_from(
    ["# One", "## Two {#x}", "### Three", "", "word", "a b c d e f g. H i j!", "- item", "```", "\t  "]
)
DOCUMENTS = st.lists(LINES | st.text(max_size=40), max_size=40).map("\n".join) | st.text(max_size=400)


@cache
def chunker(max_tokens: int = MAX_TOKENS) -> Chunker:
    return Chunker(FakeEncoder().tokenizer, max_tokens)


@cache
def overlapping(overlap_tokens: int) -> Chunker:
    return Chunker(FakeEncoder().tokenizer, MAX_TOKENS, overlap_tokens)


def n_tokens(text: str) -> int:
    return len(FakeEncoder().tokenizer.encode(text).ids)


def markdown(text: str) -> Extracted:
    return MarkdownReader().read(text.encode())


def chunks_of(extracted: Extracted, max_tokens: int = MAX_TOKENS) -> list[str]:
    return [extracted.text[span.start : span.end] for span in chunker(max_tokens).chunk(extracted)]


@settings(max_examples=150, deadline=None)
@given(text=DOCUMENTS, is_markdown=st.booleans())
def test_chunks_are_ordered_slices_that_leave_out_only_white_space(text: str, *, is_markdown: bool) -> None:
    text = text.replace("\0", "").removeprefix("\ufeff").encode("utf-8", "ignore").decode()
    extracted = markdown(text) if is_markdown else Extracted(text=text)
    assert extracted.text == text
    spans = chunker().chunk(extracted)
    rest, at = "", 0
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip()
        assert n_tokens(text[span.start : span.end]) <= MAX_TOKENS
        rest += text[at : span.start]
        at = span.end
    assert not (rest + text[at:]).strip()
    places = anchors(extracted, spans)
    for span, place in zip(spans, places, strict=True):
        assert place.line == text.count("\n", 0, span.start) + 1


@settings(max_examples=50, deadline=None)
@given(text=DOCUMENTS)
def test_the_same_text_gives_the_same_chunks(text: str) -> None:
    extracted = Extracted(text=text.encode("utf-8", "ignore").decode())
    assert chunker().chunk(extracted) == Chunker(FakeEncoder().tokenizer, MAX_TOKENS).chunk(extracted)


def test_sections_that_are_not_small_are_not_mixed() -> None:
    one, two = "# One\n\n" + "alpha " * 10, "## Two\n\n" + "beta " * 10
    assert chunks_of(markdown(f"{one}\n\n{two}"), 30) == [one.strip(), two.strip()]


def test_small_neighbours_are_put_together() -> None:
    text = "# One\n\nalpha\n\n## Two\n\nbeta"
    assert chunks_of(markdown(text), 30) == [text]


@pytest.mark.parametrize("heading", ["# Title", "# Title\n\n## Section", "Title\n====="])
def test_a_heading_stands_with_what_it_heads(heading: str) -> None:
    body = " ".join(f"word{number}" for number in range(29)) + "."
    chunks = chunks_of(markdown(f"{heading}\n\n{body}"), 30)
    assert chunks[0].startswith(heading + "\n\nword0")
    assert all(n_tokens(chunk) <= 30 for chunk in chunks)


def test_text_that_a_tokenizer_takes_for_one_word_is_bounded_too() -> None:
    chunks = chunks_of(Extracted(text="A" * 10_000))
    assert max(map(len, chunks)) <= MAX_TOKENS * 10
    assert "".join(chunks) == "A" * 10_000


def test_anchors_tell_heading_page_and_line_of_the_start() -> None:
    text = "intro\n# One\nx\n## Two\ny"
    extracted = markdown(text)
    spans = [Span(0, 5), Span(text.index("x"), len(text)), Span(text.index("y"), len(text))]
    assert anchors(extracted, spans) == (
        Anchor(line=1),
        Anchor(heading="One", line=3),
        Anchor(heading="One > Two", line=5),
    )
    paged = Extracted(text="a\n\nb", marks=(Mark(start=0, page=1), Mark(start=3, page=2)), has_lines=False)
    assert anchors(paged, [Span(0, 1), Span(3, 4)]) == (Anchor(page=1), Anchor(page=2))
    assert anchors(paged, [Span(0, 4)]) == (Anchor(page=1),)


@settings(max_examples=100, deadline=None)
@given(text=DOCUMENTS, is_markdown=st.booleans(), overlap=st.integers(1, MAX_TOKENS // 2))
def test_overlapping_chunks_repeat_whole_words_within_their_limits(
    text: str, overlap: int, *, is_markdown: bool
) -> None:
    text = text.replace("\0", "").removeprefix("\ufeff").encode("utf-8", "ignore").decode()
    extracted = markdown(text) if is_markdown else Extracted(text=text)
    spans = overlapping(overlap).chunk(extracted)
    covered = 0
    for span in spans:
        piece = text[span.start : span.end]
        assert n_tokens(piece) <= MAX_TOKENS
        assert not text[covered : span.start].strip()
        repeated = text[span.start : covered]
        if repeated:
            assert n_tokens(repeated) <= overlap
            assert not piece[0].isspace()
            assert span.start == 0 or text[span.start - 1].isspace()
        covered = span.end
    assert not text[covered:].strip()


def test_an_overlap_is_as_long_as_it_may_be() -> None:
    text = " ".join(f"w{number}" for number in range(100))
    spans = overlapping(4).chunk(Extracted(text=text))
    assert [len(text[s.start : s.end].split()) for s in spans[:-1]] == [12] + [16] * (len(spans) - 2)
    assert all(len(text[b.start : a.end].split()) == 4 for a, b in pairwise(spans))


def test_an_overlap_does_not_reach_above_the_heading() -> None:
    extracted = markdown("# One\n\n" + "a b c d e f g. " * 3 + "\n\n# Two\n\n" + "h i j k l m n. " * 3)
    chunks = overlapping(8).chunk(extracted)
    places = anchors(extracted, chunks)
    assert {place.heading for place in places} == {"One", "Two"}
    for chunk, place in zip(chunks, places, strict=True):
        assert ("a b c" in extracted.text[chunk.start : chunk.end]) == (place.heading == "One")
