"""Answers of quotes: what is on offer, how an engine is held to it, and that nothing else ever shows."""

from hypothesis import given
from hypothesis import strategies as st

from rag.quotes import QuoteStream, offer
from rag.types import Anchor, Chunk, ChunkId, Citation, Hit, Placed, Shown, Status

NOTHING = "The documents do not contain an answer to this question."
TEXT = (
    "# Warranty\n\nThe standard warranty lasts 26 months. "
    'Write to us \\ or say "help".\n- Ü: 潮 of 3.5 m…\n保修期为二十六个月。'
)


def chunk(text: str, seq: int = 0, *, start: int = 100) -> Chunk:
    anchor = Anchor(line=7)
    end = start + len(text)
    return Chunk(
        id=ChunkId(f"c{seq}"), seq=seq, document="d.md", title="T", anchor=anchor, start=start, end=end, text=text
    )


def offered(*texts: str):
    chunks = [chunk(text, seq) for seq, text in enumerate(texts)]
    hits = [Hit(chunk=one, score=0.9 - one.seq / 100, rank=one.seq + 1) for one in chunks]
    shown = [Shown(number=one.seq + 3, chunk=one, placed=Placed.TAIL, n_tokens=9) for one in chunks]
    return offer(hits, shown)


def stream(*texts: str) -> QuoteStream:
    return QuoteStream(offered(*texts), NOTHING, admits=lambda line: "do not say" in line)


def test_sentences_are_on_offer_and_headings_are_not() -> None:
    assert list(offered(TEXT).quotables) == [
        "The standard warranty lasts 26 months. [3]",
        'Write to us \\ or say "help". [3]',
        "Ü: 潮 of 3.5 m… [3]",
        "保修期为二十六个月。 [3]",
    ]


def test_only_hits_that_the_prompt_shows_are_on_offer() -> None:
    hit = Hit(chunk=chunk(TEXT), score=0.9, rank=1)
    assert offer([hit], []) is None
    assert offer([], [Shown(number=1, chunk=chunk(TEXT), placed=Placed.PREFIX, n_tokens=9)]) is None


def test_a_sentence_of_two_hits_is_the_better_ones() -> None:
    assert list(offered("Same words here.", "Same words here. And others too.").quotables) == [
        "Same words here. [3]",
        "And others too. [4]",
    ]


def test_the_offer_is_bounded_so_that_its_grammar_compiles_quickly() -> None:
    many = offered(*(f"Sentence number {n} of the text." for n in range(80)))
    long = offered("word " * 700 + ".", "word " * 800 + "!", "word " * 900 + "?", "A short one.")
    assert len(many.quotables) == 50
    assert [one.number for one in long.quotables.values()] == [3, 4, 6]


def test_the_grammar_escapes_what_it_quotes() -> None:
    grammar = offered(TEXT).grammar
    assert '"Write to us \\\\ or say \\"help\\". [3]"' in grammar
    assert grammar.count("\n") == 2
    assert grammar.startswith('root ::= "The documents do not say." | quote ("\\n" quote){0,3}\nquote ::= ')


def test_a_quote_is_shown_with_its_marker_once_its_line_is_complete() -> None:
    quotes = stream(TEXT)
    assert quotes.feed("The standard warranty lasts 26 months. [3]") == []
    text, citation = quotes.feed("\n保修")
    assert text == '"The standard warranty lasts 26 months." [3]'
    assert isinstance(citation, Citation)
    assert (citation.status, citation.source_start, citation.anchor.line) == (Status.EXACT, 112, 9)
    assert quotes.finish() == []
    assert quotes.n_dropped == 1


def test_what_no_source_has_word_for_word_is_dropped_and_counted() -> None:
    quotes = stream(TEXT)
    quotes.feed('The standard warranty lasts 27 months. [3]\nWrite to us \\ or say "help". [4]\nSomething else\n')
    assert quotes.finish() == [NOTHING]
    assert (quotes.text, quotes.citations, quotes.n_dropped, quotes.is_empty) == (NOTHING, (), 3, True)


def test_a_model_that_says_that_nothing_answers_is_not_counted() -> None:
    quotes = stream(TEXT)
    assert quotes.feed("The documents do not say.") + quotes.finish() == [NOTHING]
    assert quotes.n_dropped == 0


def test_a_quote_is_shown_once() -> None:
    quotes = stream(TEXT)
    line = "The standard warranty lasts 26 months. [3]"
    events = quotes.feed(f"{line}\n{line}\n") + quotes.finish()
    assert len(quotes.citations) == 1
    assert len(events) == 2


@given(st.lists(st.text(), min_size=1, max_size=4), st.data())
def test_every_citation_is_exact_however_the_text_comes(texts: list[str], data: st.DataObject) -> None:
    on_offer = offered(*texts)
    if on_offer is None:
        return
    lines = data.draw(st.lists(st.sampled_from(sorted(on_offer.quotables)) | st.text(max_size=9), max_size=6))
    written = "\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=5)))
    whole, cut = (QuoteStream(on_offer, NOTHING, admits=lambda _: False) for _ in range(2))
    events = whole.feed(written) + whole.finish()
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert [event for piece in pieces for event in cut.feed(piece)] + cut.finish() == events
    assert "".join(event for event in events if isinstance(event, str)) == whole.text
    for cited in whole.citations:
        source = texts[cited.chunk.seq]
        assert source[cited.source_start - 100 : cited.source_end - 100] == cited.quote
        assert whole.text[cited.start : cited.end] == cited.quote
        assert whole.text[cited.marker_start : cited.marker_end] == cited.marker == f"[{cited.chunk.seq + 3}]"
    quoted = "\n".join(f'"{cited.quote}" {cited.marker}' for cited in whole.citations)
    assert whole.text == (quoted or NOTHING)
