"""Which sentences of the passages have most of a question's words. Small models find an answer that is pointed out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.cite.statements import sentences
from rag.cite.words import words_of
from rag.scripts import beginning

_LEAST_WORDS = 3  # of a sentence; less says nothing
_MOST_CHARS = 400  # of a sentence; longer ones are lists and tables


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    stems: frozenset[str]


def pointed_out(question: str, texts: Sequence[str], n: int) -> list[tuple[int, str]]:
    """The `n` sentences of `texts` that share most of the question's words, the best first, each with its text's index.

    It depends on nothing else, so an earlier turn of a conversation has the same ones later. Fewer are given where
    fewer share any; of equal ones those of later texts come first, which stand nearer to the question.
    """
    wanted = _stems(question)
    found = [
        (len(wanted & sentence.stems), index, sentence.text)
        for index, text in enumerate(texts)
        for sentence in _sentences(text)
    ]
    best = sorted((each for each in found if each[0]), key=lambda each: (-each[0], -each[1]))
    return [(index, text) for _, index, text in best[:n]]


@lru_cache(maxsize=8192)
def _sentences(text: str) -> tuple[_Sentence, ...]:
    found = []
    for start, end in sentences(text):
        line = " ".join(text[start:end].split())
        stems = _stems(line)
        if len(stems) >= _LEAST_WORDS and len(line) <= _MOST_CHARS and not line.startswith("#"):
            found.append(_Sentence(line, stems))
    return tuple(found)


def _stems(text: str) -> frozenset[str]:
    return frozenset(beginning(key) for key in words_of(text).content)
