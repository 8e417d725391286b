"""Where sentences end, and what of them is a statement."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import re
from collections.abc import Iterator

_ENDS = ".!?…؟۔।॥"
_EAST_ASIAN_ENDS = "。！？｡"
_CLOSERS = "\"'”’»)*_`」』）］】"
_END = re.compile(
    rf"[{_ENDS}]+[{_CLOSERS}]*"  # if white space follows: "3.5" and "a.b" go on
    rf"|[{_EAST_ASIAN_ENDS}]+[{_CLOSERS}]*"  # no white space follows these
    r"|\n"
)
_ONE_FULL_STOP = frozenset((".", *(f".{closer}" for closer in _CLOSERS)))  # how such an end begins; "..." is another
_VISIBLE = re.compile(r"\S")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # U.S and J
# Before a day or a king in German: am 19. Juni, der II. Weltkrieg
_ORDINAL = re.compile(r"(?:am|vom|zum|im|der|des|dem|den|die|das|bis|ab|seit|zur)\s+(?:\d{1,2}|[IVX]{1,5})\Z")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘*_]+\Z")
_ABBREVIATIONS = frozenset(
    (
        "e.g",
        "i.e",
        "eg",
        "ie",
        "cf",
        "vs",
        "approx",
        "resp",
        "etc",
        "bzw",
        "usw",
        "ca",
        "inc",
        "jr",
        "pres",
        "gen",
        "v",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "z.b",
        "d.h",
    )
)
_ABBREVIATIONS_BEFORE_NUMBERS = frozenset(("no", "nos", "nr", "fig", "sec", "ch", "vol", "p", "pp", "art", "ca"))

# Before a statement: marks of lists, headings, quotes and tables, and what is left of a sentence after its marker.
_BEFORE = re.compile(r"(?:\s|\||>(?=\s)|[-*_+•#]+(?=\s)|\d{1,3}[.)](?=\s)|[.,](?!\d)|[;:!?…؟।。！？、，)\]}»”’])*")
# After it: what opened for the marker's sake, as in "so it is ([1])".
_OPENERS = frozenset("([{（|–—-")


def sentence_end(text: str, start: int, search_from: int | None = None) -> int | None:
    """Where the sentence at `start` ends; None while what comes next might still belong to it.

    What belongs to it are closing quotes, and a marker after white space: so only the next visible character
    tells. The sentence of a line without a full stop includes the line break.
    """
    for found in _END.finditer(text, start if search_from is None else search_from):
        # Not in the pattern, which would try again at each dot of a row.
        if found[0][0] in _ENDS and not text[found.end() : found.end() + 1].isspace():
            continue
        following = _VISIBLE.search(text, found.end())
        if following is None:
            return None
        if found[0][:2] not in _ONE_FULL_STOP or _is_full_stop(text, start, found.start(), following[0]):
            return found.end()
    return None


def _is_full_stop(text: str, start: int, stop: int, following: str) -> bool:
    """Whether the full stop at `stop` is no part of an abbreviation, an initial or a list number."""
    found = _LAST_WORD.search(text, max(start, stop - 16), stop)
    word = found[0] if found else ""
    if following.islower() or word.casefold() in _ABBREVIATIONS:
        return False
    if _INITIALS.fullmatch(word) and (len(word) > 1 or word.isupper()):
        return False
    if _ORDINAL.search(text, max(start, stop - 12), stop):
        return False
    if word.casefold() in _ABBREVIATIONS_BEFORE_NUMBERS and following.isdecimal():
        return False
    is_line_start = text[start - 1 : start] in {"", "\n"}
    return not (is_line_start and text[start:stop].strip().isdecimal())


def settled(text: str) -> int:
    """From where in `text` an end of sentence may yet turn up, depending on what follows; its length: from nowhere."""
    at = last = len(text)
    while last > 0 and is_unsettled(text[last - 1]):
        last -= 1
        if text[last] in _ENDS + _EAST_ASIAN_ENDS + "\n":
            at = last
    return at


def is_unsettled(text: str) -> bool:
    """Whether all of it may belong to an end of sentence that began before."""
    return all(char.isspace() or char in _ENDS + _EAST_ASIAN_ENDS + _CLOSERS for char in text)


def is_closed(text: str) -> bool:
    """Whether the sentence is over, if another one follows."""
    return sentence_end(f"{text} X", 0) is not None


def is_question(text: str) -> bool:
    """Whether the sentence asks."""
    return text.rstrip(_CLOSERS).endswith(("?", "？", "؟"))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of a whole text, white space around them excluded. Lines are sentences, too."""
    start: int | None = 0
    while start is not None:
        end = sentence_end(text, start)
        sentence = text[start:end]
        if stripped := sentence.strip():
            first = start + len(sentence) - len(sentence.lstrip())
            yield first, first + len(stripped)
        start = end


def statement(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span of what a sentence says, marks around it excluded; None if it has no words."""
    if found := _BEFORE.match(text, start, end):
        start = found.end()
    while end > start and (text[end - 1].isspace() or text[end - 1] in _OPENERS):
        end -= 1
    return (start, end) if any(char.isalnum() for char in text[start:end]) else None
