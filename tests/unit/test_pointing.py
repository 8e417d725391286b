"""Sentences that are pointed out to small models."""

from hypothesis import given
from hypothesis import strategies as st

from rag.render.pointing import pointed_out

PUMP = "# Pump\n\nThe pump runs for 40 minutes on one charge. It weighs 3 kilograms. Yes."
PRICES = "The pump costs 85 euros.\nA spare filter costs 6 euros, and\nhas its own box."
REFUNDS = "退款需在14天内提出。之后不予退款。"


def test_the_sentence_with_most_of_the_questions_words_comes_first() -> None:
    found = pointed_out("How much does a spare filter cost?", [PUMP, PRICES], 2)
    assert found == [(1, "A spare filter costs 6 euros, and"), (1, "The pump costs 85 euros.")]


def test_of_equal_sentences_the_later_passage_wins() -> None:
    assert pointed_out("pump?", [PRICES, PUMP, PRICES], 1) == [(2, "The pump costs 85 euros.")]


def test_headings_and_sentences_without_the_questions_words_are_not_pointed_out() -> None:
    assert pointed_out("Who painted the ceiling?", [PUMP, PRICES], 3) == []
    assert pointed_out("pump", ["# Pump and more words here"], 3) == []
    assert pointed_out("", [PUMP], 1) == []
    assert pointed_out("pump", [PUMP], 0) == []


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    assert pointed_out("退款需要几天内提出", [PUMP, REFUNDS], 1) == [(1, "退款需在14天内提出。")]


@given(st.text(max_size=60), st.lists(st.text(max_size=80), max_size=4), st.integers(0, 3))
def test_what_is_pointed_out_stands_in_its_passage(question: str, texts: list[str], n: int) -> None:
    found = pointed_out(question, texts, n)
    assert len(found) <= n
    for index, sentence in found:
        assert sentence in " ".join(texts[index].split())
