"""Letters that no space tells apart, and what is compared of words."""
# ruff: noqa: RUF001 - letters that look like others are what this is about

import re

import pytest

from rag.scripts import NO_SPACES, UNSPACED, beginning, folded, pieces


@pytest.mark.parametrize(
    ("text", "without_spaces", "in_pairs"),
    [
        ("退款データกลับပြန်ត្រឡប់ກັບ", True, True),
        ("환불", False, True),
        ("refundвозврат12", False, False),
        ("。、・๑๒", False, False),  # punctuation and digits tell words apart
    ],
)
def test_scripts_are_told_by_their_letters(text: str, without_spaces: bool, in_pairs: bool) -> None:
    assert [re.fullmatch(f"[{letters}]+", text) is not None for letters in (NO_SPACES, UNSPACED)] == [
        without_spaces,
        in_pairs,
    ]
    if not in_pairs:
        assert not re.search(f"[{UNSPACED}]", text)


def test_a_run_of_letters_is_cut_into_overlapping_pieces() -> None:
    assert list(pieces("三十天内", 2)) == ["三十", "十天", "天内"]
    assert list(pieces("三", 2)) == ["三"]
    assert list(pieces("abcd", 3)) == ["abc", "bcd"]


def test_forms_of_a_word_begin_alike() -> None:
    assert beginning("refunds") == beginning("refunding")
    assert folded("ＲＥＦＵＮＤ Straße") == "refund strasse"
