"""What a text talks about: its words, numbers and negations, in any language."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Scripts that set no spaces between words, and Hangul, whose words carry their particles: their words are
# pairs of neighbouring characters. Thai to Lao, kana, Han, Hangul, compatibility Han, the planes of rare Han.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_TOKEN = re.compile(
    r"\d+(?:[.,]\d+)*"  # numbers
    rf"|[{_UNSPACED}]+"
    rf"|[^\W_{_UNSPACED}]+"  # words from a letter on, digits included: E41
)
_STOP = (
    "a an and any are as at be been but by can could did do does for from had has have he her his how i if in into is "
    "it its may of on or our s she should so than that the their them then there these they this those to was we were "
    "what when where which who will with would you your"
)
_IGNORED = frozenset(_STOP.split())
_NEGATIONS = frozenset(("not", "no", "never", "none", "nor", "neither"))
_APOSTROPHES = str.maketrans("’ʼ‘´", "''''", "\u00ad\u200b\u200c\u200d\ufeff")  # invisible characters go
_CONTRACTED_NOT = re.compile(r"\b\w+n't\b|\bcannot\b")
_NO_AS_NUMBER = re.compile(r"\bnos?\.\s*(?=\d)")  # No. 5
_SPACE_IN_NUMBER = re.compile(r"(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))")  # 1 200, with a space that never breaks
_THOUSANDS = re.compile(r"\d{1,3}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3}){2,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Content words (numbers among them), numbers in one spelling, and whether negations cancel out."""

    content: frozenset[str]
    numbers: frozenset[str]
    is_negated: bool


def plain(text: str) -> str:
    """`text` as its words are read: without differences of case, width and apostrophes, every negation a word."""
    text = unicodedata.normalize("NFKC", _SPACE_IN_NUMBER.sub("", text).translate(_APOSTROPHES)).casefold()
    return _NO_AS_NUMBER.sub(" ", _CONTRACTED_NOT.sub(" not ", text))


def words_of(text: str) -> Words:
    """What `text` talks about."""
    return words_of_plain(plain(text))


def words_of_plain(text: str) -> Words:
    """As `words_of`, for a text that is plain already."""
    tokens = _TOKEN.findall(text)
    content: set[str] = set()
    numbers: set[str] = set()
    for token in set(tokens) - _IGNORED - _NEGATIONS:
        if token[0].isdecimal():
            numbers.add(_one_spelling(token))
        elif is_unspaced(token[0]):
            content.update(token[at : at + 2] for at in range(max(1, len(token) - 1)))
        else:
            content.add(token)
            if not token.isalpha() and any(char.isdecimal() for char in token):
                numbers.add(token)
    n_negations = sum(token in _NEGATIONS for token in tokens)
    return Words(content=frozenset(content | numbers), numbers=frozenset(numbers), is_negated=n_negations % 2 == 1)


def joined(parts: Sequence[Words]) -> Words:
    """What sentences talk about together."""
    return Words(
        content=frozenset().union(*(part.content for part in parts)),
        numbers=frozenset().union(*(part.numbers for part in parts)),
        is_negated=sum(part.is_negated for part in parts) % 2 == 1,
    )


def is_unspaced(char: str) -> bool:
    """Whether words begin and end at `char` without a space."""
    return _IS_UNSPACED.match(char) is not None


def _one_spelling(number: str) -> str:
    """1,200 and 01200 as 1200; 3,50 as 3.5."""
    if _THOUSANDS.fullmatch(number):
        number = number.replace(",", "") if "," in number else number.replace(".", "")
    number = number.replace(",", ".")
    if number.count(".") == 1:
        number = number.rstrip("0").rstrip(".")
    stripped = number.lstrip("0")
    return stripped if stripped and stripped[0] != "." else f"0{stripped}"
