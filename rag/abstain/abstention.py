"""Whether an answer is worth an attempt, and the words where it is not."""

import re
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files

from rag.abstain.evidence import CALIBRATED, evidence, is_question_of_facts
from rag.cite import Statement
from rag.language import Languages
from rag.scripts import folded
from rag.types import Citation, Hit

_APOSTROPHES = str.maketrans("\u2019\u02bc", "''")


class Abstention:
    """Refuses questions that nothing retrieved bears on, and knows the words in which models say that they do not know.

    Source of its words: `prompts/no_answer.toml`.
    """

    def __init__(self, *, is_on: bool, min_evidence: float | None, embedding: str) -> None:
        """min_evidence: as the setting; None: what was calibrated for the embedding model, if that was."""
        words = tomllib.loads((files("prompts") / "no_answer.toml").read_text("utf-8"))
        self._texts: dict[str, str] = {code: each["text"] for code, each in words.items()}
        self._admits = re.compile("|".join(_plain(pattern) for each in words.values() for pattern in each["admits"]))
        self._languages = Languages(self._texts)
        self._is_on = is_on
        self._is_calibrated = min_evidence is None
        self._min_evidence = CALIBRATED.get(embedding) if min_evidence is None else min_evidence

    def refusal(self, question: str, hits: Sequence[Hit]) -> str | None:
        """What is said to a question of facts that nothing in `hits`, best first, bears on; None: there may be one.

        Blocks. Our own threshold holds within a language: cosines across languages are low even where the documents
        answer. Source: of 853 German questions of xquad over its English passages 44 % have evidence below 0.30, and
        39 % of those their passage among the ten best (all-MiniLM-L6-v2, 2026-11).
        """
        if not self._is_on or self._min_evidence is None or not is_question_of_facts(question):
            return None
        if evidence(question, hits) >= self._min_evidence:
            return None
        if self._is_calibrated and hits and not self._languages.agree(question, hits[0].chunk.text):
            return None
        return self.text(question)

    def text(self, question: str) -> str:
        """What is said instead of an answer, in the question's language. Blocks."""
        return self._texts[self._languages.of(question)]

    def spare(self, judge: Callable[[Statement], tuple[Citation, ...]]) -> Callable[[Statement], tuple[Citation, ...]]:
        """The judge without statements that say that nothing answers: no source is needed for that."""
        return lambda statement: () if self.admits(statement.text) else judge(statement)

    def admits(self, text: str) -> bool:
        """Whether `text` says that the documents do not answer."""
        return self._is_on and self._admits.search(_plain(text)) is not None


def _plain(text: str) -> str:
    return folded(text).translate(_APOSTROPHES)
