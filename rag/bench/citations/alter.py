"""One number, date or name of a statement changed, so that its source no longer says it."""

import hashlib
import random
from collections.abc import Sequence

import regex

from rag.types import Chunk

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_NUMBER = regex.compile(r"(?<![\p{L}\p{N}.,])\p{Nd}+(?:,\p{Nd}{3})*(?:\.\p{Nd}+)?(?![\p{L}\p{N}])")
_MONTH = regex.compile(rf"\b(?:{'|'.join(_MONTHS)})\b(?=\s+\p{{Nd}})|(?<=\p{{Nd}}\s+)\b(?:{'|'.join(_MONTHS)})\b")
_NAME = regex.compile(r"(?<=[\p{Ll},;]\s)\p{Lu}\p{Ll}{2,}(?:\s\p{Lu}\p{Ll}{2,})*")


def names_of(chunks: Sequence[Chunk]) -> tuple[str, ...]:
    """Runs of capitalised words that no sentence begins with, each once."""
    return tuple(sorted({found[0] for chunk in chunks for found in _NAME.finditer(chunk.text)}))


def altered(statement: str, source: str, names: Sequence[str], seed: str) -> tuple[str, str] | None:
    """The statement with one fact changed, and the kind of fact: number, date or name; None if it has none.

    The kind is drawn first, then the place, then what comes instead: a number of as many digits, another month,
    another name. None of these stands in `source`. The same seed draws the same.
    """
    draw = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 - to draw the same again
    places = {
        "number": [found.span() for found in _NUMBER.finditer(statement)],
        "date": [found.span() for found in _MONTH.finditer(statement)],
        "name": [found.span() for found in _NAME.finditer(statement) if found[0] not in _MONTHS],
    }
    kinds = [kind for kind, spans in places.items() if spans]
    draw.shuffle(kinds)
    for kind in kinds:
        start, end = draw.choice(places[kind])
        instead = _instead(kind, statement[start:end], source, names, draw)
        if instead is not None:
            return statement[:start] + instead + statement[end:], kind
    return None


def with_another(statement: str, fact: tuple[int, int], source: str, facts: Sequence[str], seed: str) -> str | None:
    """The statement with its fact replaced by another one that is nowhere in `source`: for any language."""
    draw = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 - to draw the same again
    own = statement[fact[0] : fact[1]]
    others = [other for other in facts if other not in source and own not in other and _is_alike(own, other)]
    return statement[: fact[0]] + draw.choice(others) + statement[fact[1] :] if others else None


def _is_alike(one: str, other: str) -> bool:
    """Whether both are numbers, or both none, and about as long."""
    is_number = one[0].isdecimal()
    return is_number == other[0].isdecimal() and len(other) <= 2 * len(one) + 4


def _instead(kind: str, old: str, source: str, names: Sequence[str], draw: random.Random) -> str | None:
    for _ in range(40):
        if kind == "number":
            new = "".join(str(draw.randint(1, 9)) if char.isdecimal() else char for char in old)
        else:
            new = draw.choice(_MONTHS if kind == "date" else names)
        if new != old and not any(word in source for word in new.split()):
            return new
    return None
