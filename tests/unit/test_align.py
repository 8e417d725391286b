"""Where a chunk says what a statement says, and where it only seems to."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cite.align import align
from rag.cite.folding import fold
from rag.cite.statements import sentence_end, sentences
from rag.cite.words import words_of
from rag.types import Status

CHUNK = (
    "## Batteries and power\n\n"
    "The *standard* battery isn’t rechargeable – it lasts 1,200 hours. See No. 5 by Dr. J. Smith, e.g. page 3.5!\n"
    "| Part | Price |\n| Filter | 6.5 euros |\n"
    "- solar panel, 12 watts\n"
)


@pytest.mark.parametrize(
    ("statement", "status", "quote"),
    [
        ("it lasts 1,200 hours.", Status.EXACT, "it lasts 1,200 hours."),
        ("solar panel", Status.EXACT, "solar panel"),
        (
            "The **standard**  BATTERY isn't rechargeable.",
            Status.NORMALIZED,
            "The *standard* battery isn’t rechargeable",
        ),
        ("Ｉt lasts `1,200` hours!", Status.NORMALIZED, "it lasts 1,200 hours"),
        ("rechargeable - it lasts", Status.NORMALIZED, "rechargeable – it lasts"),
        ("Batteries and\npower:", Status.NORMALIZED, "Batteries and power"),
        ("A filter is 6.50 euros", Status.FUZZY, "| Filter | 6.5 euros |"),
        ("The panel is solar and has 12 watts", Status.FUZZY, "- solar panel, 12 watts"),
        (
            "The standard battery is not rechargeable and lasts 1200 hours",
            Status.FUZZY,
            "The *standard* battery isn’t rechargeable – it lasts 1,200 hours.",
        ),
    ],
)
def test_a_statement_is_found_with_its_quote(statement: str, status: Status, quote: str) -> None:
    match = align(statement, CHUNK)
    assert match is not None
    assert (match.status, CHUNK[match.start : match.end]) == (status, quote)


@pytest.mark.parametrize(
    "statement",
    [
        "The standard battery isn't rechargeable and lasts 1,300 hours",  # another number
        "The standard battery is rechargeable and lasts 1,200 hours",  # the opposite
        "The filter is 6 euros",  # "6.5" is another number
        "solar panel, 1",  # nor has "12" a 1
        "olar pane",
        "Nothing of the kind stands here",
        "and the",
        "…",
        "",
    ],
)
def test_what_the_chunk_does_not_say_is_not_supported(statement: str) -> None:
    assert align(statement, CHUNK) is None


@pytest.mark.parametrize(
    ("statement", "chunk"),
    [
        ("it costs 6", "it costs 6.5 euros"),
        ("it costs 6.", "it costs 6.5 euros"),
        ("5 euros", "it costs 6.5 euros"),
        ("200 euros", "it costs 1,200 euros"),
        ("cafe", "the café"),
        ("cafe", "the cafe\u0301"),
        ("Cafe", "the cafe\u0301"),
        ("가", "각"),
        ("14天", "114天"),
    ],
)
def test_a_match_cuts_no_word_number_or_accent_in_two(statement: str, chunk: str) -> None:
    assert align(statement, chunk) is None


@pytest.mark.parametrize(
    ("statement", "chunk", "status"),
    [
        ("14天内", "退款需在14天内提出。", Status.EXACT),
        ("退款申请需在14天内提出", "运费另计。退款需在14天内提出。", Status.FUZZY),
        ("ガイド", "ｶﾞｲﾄﾞ", Status.NORMALIZED),
        ("CAFÉ", "cafe\u0301", Status.NORMALIZED),
        ("STRASSE", "Straße", Status.NORMALIZED),
        ("Пять насосов стоят дорого", "Эти пять насосов стоят очень дорого.", Status.FUZZY),
    ],
)
def test_other_scripts(statement: str, chunk: str, status: Status) -> None:
    match = align(statement, chunk)
    assert match is not None
    assert match.status == status


def test_the_shortest_window_that_says_it_is_quoted() -> None:
    chunk = "Harbour news. The pump was repaired. The pump runs for forty minutes outdoors. It is blue."
    match = align("For forty minutes, the pump runs", chunk)
    assert match is not None
    assert chunk[match.start : match.end] == "The pump runs for forty minutes outdoors."
    match = align("The pump was repaired, and forty minutes it runs outdoors, blue", chunk)
    assert match is not None
    assert (
        chunk[match.start : match.end] == "The pump was repaired. The pump runs for forty minutes outdoors. It is blue."
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,200", "1200"),
        ("1.200.000", "1,200,000"),
        ("1\u202f200", "1200"),
        ("3,5", "3.50"),
        ("007", "7"),
        ("0.5", "00,5"),
        ("３", "3"),
    ],
)
def test_a_number_has_one_spelling(one: str, other: str) -> None:
    assert words_of(one).numbers == words_of(other).numbers != frozenset()


def test_negations_cancel_out_and_numbers_are_none() -> None:
    assert [words_of(text).is_negated for text in ("never", "can't", "don’t not", "No. 5", "cannot", "knot")] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]


def test_sentences_and_lines() -> None:
    text = "1. One e.g. two. Three?! “Four.” Is v3.5 ok… 五。六！Seven by J. Doe, no. 8. No. Nine\nTen"
    assert [text[start:end] for start, end in sentences(text)] == [
        "1. One e.g. two.",
        "Three?!",
        "“Four.”",
        "Is v3.5 ok…",
        "五。",
        "六！",
        "Seven by J. Doe, no. 8.",
        "No.",
        "Nine",
        "Ten",
    ]


def test_a_sentence_ends_only_when_the_next_one_begins() -> None:
    assert sentence_end("Fact. ", 0) is None
    assert sentence_end("Fact. X", 0) == len("Fact.")
    assert sentence_end("Fact\n", 0) is None
    assert sentence_end("Fact\nX", 0) == len("Fact\n")


@given(st.text(alphabet=st.sampled_from("aAé\u0301ßﬁ각ｶﾞ *_`#\n—“1.,天"), max_size=40))
def test_folding_maps_every_character_back(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.offsets)
    assert list(folded.offsets) == sorted(folded.offsets)
    assert all(0 <= offset < len(text) for offset in folded.offsets)
    assert fold(folded.text).text.strip() == fold(folded.text).text


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_whole_text_stands_in_its_surroundings(before: str, statement: str, after: str) -> None:
    statement = f"x {statement} x"
    chunk = f"{before} {statement} {after}"
    match = align(statement, chunk)
    assert match is not None
    assert match.status == Status.EXACT
    assert chunk[match.start : match.end] == statement
