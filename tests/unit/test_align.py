"""Where a chunk says what a statement says, and where it only seems to."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.cite.align import Match, align
from rag.cite.folding import fold
from rag.cite.statements import sentence_end, sentences
from rag.cite.tokens import Kind
from rag.cite.words import words_of
from rag.types import Problem, Status


def found(statement: str, text: str) -> Match | None:
    """The one place where `text` says it."""
    matches = align(statement, text).matches
    assert len(matches) <= 1
    return matches[0] if matches else None


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
        ("isn't rechargeable - it lasts", Status.NORMALIZED, "isn’t rechargeable – it lasts"),
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
    match = found(statement, CHUNK)
    assert match is not None
    assert (match.status, CHUNK[match.start : match.end]) == (status, quote)


@pytest.mark.parametrize(
    "statement",
    [
        "rechargeable – it lasts",  # what is denied
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
    assert found(statement, CHUNK) is None


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
    assert found(statement, chunk) is None


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
    match = found(statement, chunk)
    assert match is not None
    assert match.status == status


def test_the_shortest_window_that_says_it_is_quoted() -> None:
    chunk = "Harbour news. The pump was repaired. The pump runs for forty minutes outdoors. It is blue."
    match = found("For forty minutes, the pump runs", chunk)
    assert match is not None
    assert chunk[match.start : match.end] == "The pump runs for forty minutes outdoors."


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
    assert words_of(one).content == words_of(other).content != frozenset()


@pytest.mark.parametrize(
    ("text", "n"), [("never", 1), ("can't", 1), ("don’t not", 2), ("No. 5", 0), ("cannot", 1), ("knot", 0), ("不仅", 0)]
)
def test_negations_are_counted_and_numbers_are_none(text: str, n: int) -> None:
    assert sum(token.kind is Kind.NOT for token in words_of(text).tokens) == n


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("on 19 June 2009", "on June 19, 2009"),
        ("am 19. Juni 2009", "am 19.06.2009"),
        ("on June 19th, 2009", "2009-06-19"),
        ("2009年6月19日", "June 19, 2009"),
        ("في ١٩ يونيو ٢٠٠٩", "19 June 2009"),
        ("5 million", "5,000,000"),
        ("twenty-one", "21"),
        ("einundzwanzig", "21"),
        ("five hundred", "500"),
        ("二十三人", "23人"),
        ("1.234,56", "1,234.56"),
    ],
)
def test_equal_numbers_and_dates_are_equal(one: str, other: str) -> None:
    def numbers(text: str) -> set[str]:
        kinds = {Kind.NUMBER, Kind.SPELLED}
        return {token.key for token in words_of(text).tokens if token.kind in kinds}

    assert numbers(one) == numbers(other) != set()


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("The station takes a new reading every 80 seconds.", "The station takes a new reading every 90 seconds."),
        ("A refund is paid within 14 weeks of the return.", "A refund is paid within 14 days of the return."),
        ("The filter costs 7 euros.", "The filter costs 5 euros. The pump costs 7 euros."),
        ("Ten inspectors visit the harbour each year.", "Three inspectors visit the harbour each year."),
        ("The bridge was opened in July 1932 by the mayor.", "The bridge was opened in June 1932 by the mayor."),
        ("The bridge in Oslo was opened by the mayor.", "The bridge in Bergen was opened by the mayor."),
        ("The battery can be charged with the old adapter.", "The battery cannot be charged with the old adapter."),
        ("The battery can't be charged with an adapter.", "The battery can be charged with an adapter."),
        ("Refunds are given after 14 days.", "No refunds are given after 14 days."),
        ("Der Akku wird nicht mit dem Gerät geliefert.", "Der Akku wird mit dem Gerät geliefert."),
        ("Der Zug nach Hamburg fährt um sieben Uhr ab.", "Der Zug nach Bremen fährt um sieben Uhr ab."),
        ("该协议是在巴黎举行的会议上签署的。", "该协议是在伦敦举行的会议上签署的。"),
        ("退款需在20天内提出。", "退款需在14天内提出。"),
        ("该设备不支持无线充电功能。", "该设备支持无线充电功能。"),
        ("لا تعمل المضخة في درجات الحرارة المنخفضة", "تعمل المضخة في درجات الحرارة المنخفضة"),
        ("पंप कम तापमान पर नहीं चलता", "पंप कम तापमान पर चलता"),
        ("このポンプは低温では動作しない", "このポンプは低温では動作する"),
    ],
)
def test_a_fact_that_differs_contradicts(statement: str, source: str) -> None:
    verdict = align(statement, source)
    assert (verdict.matches, verdict.problem) == ((), Problem.CONTRADICTED)


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        (
            "Not only the pump but the valve was replaced in May 2020.",
            "The pump and the valve were replaced in May 2020.",
        ),
        ("The Versicherungspolice kostet 20 Euro im Jahr.", "Die Police der Versicherung kostet im Jahr 20 Euro."),
        ("The X5 runs for three hours.", "For 3 hours the X-5 runs."),
        ("最大的城市非常美丽", "这座最大的城市非常美丽，游客众多"),
    ],
)
def test_what_is_said_otherwise_is_no_contradiction(statement: str, source: str) -> None:
    assert align(statement, source).problem is not Problem.CONTRADICTED


def test_a_statement_from_two_places_quotes_both() -> None:
    text = "Mara Lind founded the harbour museum. It rained. Then it snowed. The museum opened its doors in 1932."
    matches = align("The harbour museum was founded by Mara Lind and opened its doors in 1932", text).matches
    assert [text[match.start : match.end] for match in matches] == [
        "Mara Lind founded the harbour museum.",
        "The museum opened its doors in 1932.",
    ]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("It says “the pump was repaired in the old harbour workshop”.", Problem.STITCHED),
        ("It says “the pump was repaired in … the old harbour workshop”.", None),
        ("It says “the pump was repaired in spring”.", None),
    ],
)
def test_a_quotation_stands_in_one_piece(statement: str, problem: Problem | None) -> None:
    text = "It says the pump was repaired in spring. Nobody came. The boats lie in the old harbour workshop."
    assert align(statement, text).problem == problem


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
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(folded.starts, folded.ends, strict=True))
    assert fold(folded.text).text.strip() == fold(folded.text).text


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_whole_text_stands_in_its_surroundings(before: str, statement: str, after: str) -> None:
    statement = f"x {statement} x"
    chunk = f"{before}\n{statement} {after}"
    assume(not any(token.kind is Kind.NOT for token in words_of(before).tokens))
    assume(regex.match(r"[\p{M}\u200d]", after) is None)
    match = found(statement, chunk)
    assert match is not None
    assert match.status == Status.EXACT
    assert chunk[match.start : match.end] == statement
