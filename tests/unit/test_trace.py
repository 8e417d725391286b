"""A quote is found again in a document that has changed."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.cite import Place, fingerprint, is_fingerprint, trace

TEXT = "# Warranty\n\nThe standard warranty lasts 26 months. It covers the sensor.\n\nReturns take five days.\n"
QUOTE = "It covers the sensor."
AT = TEXT.index(QUOTE)
END = AT + len(QUOTE)


@pytest.mark.parametrize(
    ("now", "shown", "place"),
    [
        (TEXT, QUOTE, Place.HERE),
        (TEXT + "\nMore.", QUOTE, Place.HERE),
        ("A preface.\n\n" + TEXT, QUOTE, Place.MOVED),
        (TEXT.replace("The standard warranty lasts 26 months. ", ""), QUOTE, Place.MOVED),
        (TEXT.replace(QUOTE, "It  covers\nthe *Sensor*."), "It  covers\nthe *Sensor*.", Place.RESPELLED),
        ("New.\n" + TEXT.replace(QUOTE, "IT COVERS THE SENSOR."), "IT COVERS THE SENSOR.", Place.RESPELLED),
        (TEXT.replace("sensor", "battery"), None, Place.LOST),
        ("", None, Place.LOST),
        ("short", None, Place.LOST),
    ],
)
def test_a_quote_is_where_it_stands_now(now, shown, place) -> None:
    traced = trace(now, AT, END, fingerprint(QUOTE))
    assert traced.place is place
    assert 0 <= traced.start <= traced.end <= len(now)
    if shown is not None:
        assert now[traced.start : traced.end] == shown


def test_of_several_places_the_nearest_counts_and_the_same_words_come_first() -> None:
    now = f"{QUOTE} {'x ' * 50}{QUOTE} {'y ' * 200}IT COVERS THE SENSOR."
    near = now.rindex(QUOTE)
    assert trace(now, near + 5, near + 5 + len(QUOTE), fingerprint(QUOTE)).start == near
    assert trace(now, len(now) - 20, len(now) - 20 + len(QUOTE), fingerprint(QUOTE)).start == near


@pytest.mark.parametrize(
    "quote",
    [
        "مدة الضمان ستة وعشرون شهرا",
        "保修期为二十六个月。",
        "गारंटी छब्बीस महीने की है।",
        "Die Garantie läuft über 26 Monate.",
    ],
)
def test_scripts_of_all_kinds_are_found(quote) -> None:
    now = f"前言。مقدمة. Vorwort.{quote} 之后"
    traced = trace(now, 0, len(quote), fingerprint(quote))
    assert (traced.place, now[traced.start : traced.end]) == (Place.MOVED, quote)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=60)


@given(before=WORDS, quote=WORDS, after=WORDS, new=WORDS)
def test_whatever_is_put_before_it_the_quote_is_found(before, quote, after, new) -> None:
    quote = quote.strip()
    assume(quote)
    print_ = fingerprint(quote)
    assert is_fingerprint(print_)
    start = len(before)
    assert trace(before + quote + after, start, start + len(quote), print_).place is Place.HERE
    now = f"{new} {quote}{after}"
    traced = trace(now, start, start + len(quote), print_)
    assert now[traced.start : traced.end] == quote or traced.place is Place.RESPELLED


@pytest.mark.parametrize(
    "text",
    ["", "a", "x" * 22, "x" * 8 + "f" * 3 + "x" * 8 + "f" * 3 + "0", "a" * 21 + "!1", "a" * 22 + "123456", "é" * 23],
)
def test_what_is_no_fingerprint_is_told(text) -> None:
    assert not is_fingerprint(text)
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        trace(TEXT, AT, END, text)
