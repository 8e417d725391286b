"""What a service said to one question, and what that measures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from rag.cite.statements import sentences, statement
from rag.evaluate.questions import Question
from rag.evaluate.ranks import ndcg, recall, reciprocal_rank
from rag.evaluate.words import contains, exact_match, f1
from rag.types import Status

KS = (1, 3, 5, 10)
_SUFFIXES = {".md", ".txt"}
_MARKER = re.compile(r"\[\d+\]")

# A measure of one question is a fraction: over many questions the parts above and those below are added.
Fraction = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """One citation of an answer, as the service sent it."""

    document: str
    status: str
    problem: str | None
    start: int
    end: int

    @property
    def is_verified(self) -> bool:
        """Whether the service found the statement in the source."""
        return self.status != Status.UNSUPPORTED

    @property
    def is_verbatim(self) -> bool:
        """Whether the statement's words are the source's, case and punctuation aside."""
        return self.status in {Status.EXACT, Status.NORMALIZED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer with what the service tells of it."""

    text: str
    retrieved: Sequence[str]  # documents of the hits, best first
    context: Sequence[str]  # documents of all that the prompt showed
    citations: Sequence[Cited]
    no_answer: bool | None  # None: the service does not tell
    first_token_ms: float
    total_ms: float
    prompt_tokens: int
    cached_tokens: int | None  # None: the engine does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One question's row. Of a question that failed there is only `error`."""

    question: Question
    said: Said | None = None
    error: str | None = None
    measures: Mapping[str, Fraction] = field(default_factory=dict)


def outcome(question: Question, said: Said) -> Outcome:
    """The row of an answered question. Measures that do not apply to it are left out."""
    measures: dict[str, Fraction] = {}
    if question.gold:
        measures |= _retrieval(question, said)
    if said.citations:
        n = len(said.citations)
        if question.gold:
            measures["citation_gold"] = sum(_cites_gold(each, question) for each in said.citations), n
        measures["citation_verified"] = sum(each.is_verified for each in said.citations), n
    if question.gold:
        measures |= _sources(question, said)
    if said.no_answer is not None:
        measures |= _abstention(said, is_answerable=question.is_answerable)
    if not said.no_answer and (spans := statements(said.text)):
        measures["statements_cited"] = sum(_is_cited(span, said.citations) for span in spans), len(spans)
    if question.answers and question.gold:
        measures["right_and_cited"] = float(contains(said.text, question.answers) and _is_sourced(said, question)), 1
    if question.answers:
        measures["answer_contains"] = float(contains(said.text, question.answers)), 1
        measures["answer_exact"] = float(exact_match(said.text, question.answers)), 1
        measures["answer_f1"] = f1(said.text, question.answers), 1
    if said.cached_tokens is not None:
        measures["reuse"] = said.cached_tokens, said.prompt_tokens
    measures["first_token_ms"] = said.first_token_ms, 1
    measures["total_ms"] = said.total_ms, 1
    return Outcome(question=question, said=said, measures=measures)


def passage_ids(document: str) -> set[str]:
    """The passage ids that a document's name may stand for: itself, or the id that `file_name` made it of."""
    path = PurePosixPath(document)
    stem = document.removesuffix(path.suffix) if path.suffix in _SUFFIXES else document
    return {document, unquote(stem)}


def statements(text: str) -> list[tuple[int, int]]:
    """The spans of what an answer states, markers not counted."""
    blank = _MARKER.sub(lambda found: " " * len(found[0]), text)
    spans = (statement(blank, start, end) for start, end in sentences(blank))
    return [span for span in spans if span]


def _retrieval(question: Question, said: Said) -> dict[str, Fraction]:
    gold = question.gold
    ranked = _gold_names(said.retrieved, gold)
    measures = {f"recall@{k}": (recall(ranked, gold, k), 1.0) for k in KS}
    measures["ndcg@10"] = ndcg(ranked, gold, 10), 1
    measures["mrr"] = reciprocal_rank(ranked, gold), 1
    shown = _gold_names(said.context, gold)
    measures["gold_in_prompt"] = recall(shown, gold, len(shown)), 1
    return measures


def _gold_names(documents: Sequence[str], gold: Mapping[str, int]) -> list[str]:
    """The documents once each, those that are gold by the gold's own id."""
    return list(dict.fromkeys(next(iter(passage_ids(name) & gold.keys()), name) for name in documents))


def _sources(question: Question, said: Said) -> dict[str, Fraction]:
    measures = {"cites_gold": (float(any(_cites_gold(each, question) for each in said.citations)), 1.0)}
    if not said.no_answer:
        is_quoted = bool(said.citations) and all(each.is_verbatim for each in said.citations)
        measures["quotes_only"] = float(is_quoted), 1.0
    return measures


def _abstention(said: Said, *, is_answerable: bool) -> dict[str, Fraction]:
    is_none = float(bool(said.no_answer))
    measures: dict[str, Fraction] = {"no_answer_precision": (float(not is_answerable), 1)} if said.no_answer else {}
    if is_answerable:
        return measures | {"no_answer_wrong": (is_none, 1)}
    is_backed = any(each.is_verified for each in said.citations)
    is_held_back = float(bool(said.no_answer) or not is_backed)
    return measures | {"no_answer_recall": (is_none, 1), "no_answer_or_unsupported": (is_held_back, 1)}


def _is_sourced(said: Said, question: Question) -> bool:
    return any(each.is_verified and _cites_gold(each, question) for each in said.citations)


def _cites_gold(citation: Cited, question: Question) -> bool:
    return not passage_ids(citation.document).isdisjoint(question.gold)


def _is_cited(span: tuple[int, int], citations: Sequence[Cited]) -> bool:
    return any(each.is_verified and each.start < span[1] and span[0] < each.end for each in citations)
