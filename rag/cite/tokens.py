"""What a text talks about: its words in one spelling, its numbers and its negations, in any language."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import functools
import unicodedata
from enum import IntEnum
from typing import NamedTuple

import regex

from rag.cite.vocabulary import NOT, NOT_UNSPACED, STOP
from rag.scripts import UNSPACED

_IS_UNSPACED = regex.compile(f"[{UNSPACED}]")
_INVISIBLE = r"\u00ad\u200b-\u200d\u2060\ufeff"
_APOSTROPHE = "['’ʼ‘´]"
_TOKEN = regex.compile(
    # 1,200 and 3.5; a space or an apostrophe before three more digits; 19th is 19
    rf"(?P<number>\p{{Nd}}+(?:[.,٫٬]\p{{Nd}}+|(?:[\u00a0\u2009\u202f]|{_APOSTROPHE})\p{{Nd}}{{3}}(?!\p{{Nd}}))*)"
    r"(?:(?:st|nd|rd|th)\b)?"
    rf"|(?P<not>{NOT_UNSPACED}|\bn{_APOSTROPHE}t\b)"
    rf"|(?P<char>[{UNSPACED}]\p{{M}}*)"
    rf"|(?P<word>\p{{L}}[[\p{{L}}\p{{M}}\p{{Nd}}{_INVISIBLE}]--[{UNSPACED}]]*(?:{_APOSTROPHE}\p{{L}}+)?)",
    regex.V1 | regex.IGNORECASE,
)
_NO_AS_NUMBER = regex.compile(r"nos?\.\s*(?=\p{Nd})", regex.IGNORECASE)  # No. 5
_REMOVED = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u0640"))  # invisible; Arabic's stretching
_APOSTROPHES = str.maketrans("’ʼ‘´", "''''")
_ARABIC = str.maketrans("إأآٱىة", "اااايه", "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0670")
_IS_ARABIC = regex.compile(r"\p{Arabic}")
_IS_DEVANAGARI = regex.compile(r"\p{Devanagari}")
_IS_LATIN = regex.compile(r"\p{Latin}")
_ARABIC_PREFIX = regex.compile(r"^(?:و?(?:ال|بال|كال|فال|لل)|و(?=\p{L}{4}))(?=\p{L}{3})")
_ARABIC_SUFFIX = regex.compile(r"(?<=\p{L}{3})(?:ها|ات|ون|ين|ان|هم|يه|ه|ي)$")
_HINDI_SUFFIX = regex.compile(r"(?<=\p{L}.+)(?:ियों|ियाँ|ाओं|ों|ें|ीं|ी|ा|े|ि|ो|ु|ू)$")
_LATIN_SUFFIXES = ("ings", "ing", "edly", "ed", "ies", "ern", "en", "er", "em", "es", "y", "e", "n")


class Kind(IntEnum):
    """What a token is."""

    WORD = 0
    CHAR = 1  # of a script without spaces, whose words are pairs of neighbours
    NUMBER = 2
    SPELLED = 3  # a number in words, which may count nothing
    NOT = 4
    STOP = 5


class Token(NamedTuple):
    """`text[start:end]`. Tokens with the same key say the same."""

    key: str
    start: int
    end: int
    kind: Kind
    is_capital: bool = False
    unit: str = ""  # of a number, where one stands beside it


NOT_KEY = "¬"


def tokens_of(text: str) -> list[Token]:
    """The words of `text` in their order, numbers as they are written."""
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        kind, start, end = found.lastgroup, found.start(), found.end()
        if kind == "word":
            raw = found[0]
            key, which = _read_word(raw)
            if not key:  # nothing but invisible characters
                continue
            tokens.append(Token(key, start, end, which, raw[0].isupper()))
            if which is Kind.NOT and _NO_AS_NUMBER.match(text, start):
                tokens[-1] = Token(raw, start, end, Kind.STOP)
        elif kind == "char":
            tokens.append(Token(unicodedata.normalize("NFKC", found[0]), start, end, Kind.CHAR))
        elif kind == "number":
            tokens.append(Token(found["number"], start, end, Kind.NUMBER))
        else:
            tokens.append(Token(NOT_KEY, start, end, Kind.NOT))
    return tokens


@functools.lru_cache(maxsize=16384)
def _read_word(raw: str) -> tuple[str, Kind]:
    word = spelled_word(raw)
    if word in NOT:
        return NOT_KEY, Kind.NOT
    if word.endswith("n't"):
        return NOT_KEY, Kind.NOT
    if word in STOP:
        return word, Kind.STOP
    return stem(word), Kind.WORD


def spelled_word(raw: str) -> str:
    """A word without differences of case, width and apostrophes."""
    return unicodedata.normalize("NFKC", raw.translate(_APOSTROPHES).translate(_REMOVED)).casefold()


@functools.lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """What forms of a word have in common, roughly: enough to see that a source says the same."""
    word = word.removesuffix("'s").removesuffix("'")
    if _IS_LATIN.match(word):
        return _latin_stem(word)
    if _IS_ARABIC.match(word):
        word = _ARABIC_PREFIX.sub("", word.translate(_ARABIC))
        return str(_ARABIC_SUFFIX.sub("", word))
    if _IS_DEVANAGARI.match(word):
        return str(_HINDI_SUFFIX.sub("", word))
    return word


def _latin_stem(word: str) -> str:
    if len(word) > 4 and word.endswith("s") and word[-2] not in "sui":
        word = word[:-1]
    for suffix in _LATIN_SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 + (len(suffix) < 3):
            return word[: -len(suffix)]
    return word


def is_unspaced(char: str) -> bool:
    """Whether words begin and end at `char` without a space."""
    return _IS_UNSPACED.match(char) is not None


def loosened(text: str) -> str:
    """`text` in which the key of each of its words is found by its letters."""
    text = spelled_word(text)
    return text.translate(_ARABIC) if _IS_ARABIC.search(text) else text
