"""How much of a known answer's words an answer has. The definitions are SQuAD's, for more scripts than Latin."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from rag.scripts import NO_SPACES

_ARTICLES = frozenset(("a", "an", "the"))
_MARKERS = re.compile(r"\[\d+\]")
_NO_SPACES = re.compile(f"[{NO_SPACES}]")


def words(text: str) -> list[str]:
    """The words of a text as they are compared: lower case, without markers, punctuation and English articles.

    Where a script puts no space between words each character is one.
    """
    folded = unicodedata.normalize("NFKC", _MARKERS.sub(" ", text)).lower()
    kept = "".join(char for char in folded if unicodedata.category(char)[0] not in "PS")
    return [word for word in _NO_SPACES.sub(r" \g<0> ", kept).split() if word not in _ARTICLES]


def exact_match(answer: str, known: Iterable[str]) -> bool:
    """Whether the answer is one of the known ones and nothing else."""
    said = words(answer)
    return any(said == words(each) for each in known)


def contains(answer: str, known: Iterable[str]) -> bool:
    """Whether one of the known answers stands in the answer, whole words in a row."""
    said = words(answer)
    return any(_stands_in(words(each), said) for each in known)


def f1(answer: str, known: Iterable[str]) -> float:
    """The best harmonic mean of precision and recall of words over the known answers."""
    said = words(answer)
    return max((_f1(said, words(each)) for each in known), default=0.0)


def _stands_in(short: list[str], long: list[str]) -> bool:
    n = len(short)
    return n > 0 and any(long[start : start + n] == short for start in range(len(long) - n + 1))


def _f1(said: list[str], known: list[str]) -> float:
    n_common = (Counter(said) & Counter(known)).total()
    return 2 * n_common / (len(said) + len(known)) if n_common else 0.0
