"""Which part of a document a page shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.api.sources.window import SIZE, window

TEXT = "".join(f"Line {number} of a long document.\n" for number in range(2000))


def test_a_short_document_is_shown_whole() -> None:
    shown = window("One.\nTwo.", (5, 9))
    assert (shown.start, shown.end, shown.earlier, shown.later) == (0, 9, None, None)


def test_the_quote_stands_in_its_window_and_lines_are_whole() -> None:
    at = TEXT.index("Line 1000 ")
    shown = window(TEXT, (at, at + 20))
    assert shown.start < at < at + 20 < shown.end
    assert TEXT[shown.start - 1] == TEXT[shown.end - 1] == "\n"
    assert shown.end - shown.start <= SIZE


def test_reading_on_leaves_nothing_out_in_either_direction() -> None:
    at = TEXT.index("Line 1000 ")
    shown = first = window(TEXT, (at, at + 20))
    read = TEXT[shown.start : shown.end]
    while shown.later is not None:
        shown = window(TEXT, (at, at + 20), shown.later)
        read += TEXT[shown.start : shown.end]
    assert read == TEXT[first.start :]
    shown, n_pages = first, 0
    while shown.earlier is not None:
        before = window(TEXT, (at, at + 20), shown.earlier)
        assert before.start < shown.start <= before.end
        shown, n_pages = before, n_pages + 1
    assert shown.start == 0
    assert n_pages < len(TEXT) / SIZE


@pytest.mark.parametrize("start", [0, 5999, 10**9])
def test_any_start_gives_a_part(start) -> None:
    shown = window(TEXT, (10, 20), start)
    assert 0 <= shown.start < shown.end <= len(TEXT)


@given(text=st.text("ab \n\u0301", min_size=1, max_size=100).map(lambda text: text * 200), data=st.data())
def test_a_quote_is_never_cut_in_two(text, data) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, min(len(text), start + 2000)))
    shown = window(text, (start, end), data.draw(st.none() | st.integers(0, len(text))))
    inside = range(max(start, shown.start), min(end, shown.end))
    assert len(inside) in {0, end - start}
