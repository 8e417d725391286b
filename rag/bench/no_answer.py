"""`rag bench no-answer`: what a threshold of evidence refuses, rightly and wrongly.

Questions of a set against its own passages, of which some are answered there and some are not; and questions of other
sets, which have nothing to do with them. A threshold is chosen on one half of the set's questions and its figures are
those of the other half. No engine is needed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.abstain import evidence, is_question_of_facts
from rag.bench.reuse.sets import Question, read_set
from rag.bench.reuse.vectors import VectorFiles, nearest
from rag.errors import ConfigError

_TOP_K = 3  # hits that evidence looks at
_NEVER_REFUSED = 1.0  # greetings and thanks
THRESHOLDS = tuple(n / 100 for n in range(20, 62, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the questions of each kind that a threshold refuses. None: there are no such questions."""

    threshold: float
    answerable: float | None  # wrongly
    unanswerable: float | None
    off_topic: dict[str, float]  # by set


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswerResult:
    """The curve on the half that is reported, and the threshold that the other half chose."""

    set_name: str
    embedding: str
    n_passages: int
    n_answerable: int  # of the half that is reported
    n_unanswerable: int
    n_off_topic: dict[str, int]
    max_wrong: float
    chosen: float | None  # the highest threshold that wrongly refuses at most `max_wrong`; None: none does
    curve: tuple[Shares, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_no_answer(
    vectors: VectorFiles, *, embedding: str, data: Path, set_name: str, off_topic: Sequence[str], max_wrong: float
) -> NoAnswerResult:
    """Measure with a set below `data`; `off_topic` are other sets there. embedding: the model that makes `vectors`.

    Raises:
        ConfigError: a set is not there, or nothing in it is answered.
    """
    questions = read_set(set_name, data)
    passages = vectors.documents(questions.chunks)

    def score(asked: Sequence[Question]) -> list[float]:
        texts = [one.dialogue.queries[-1] for one in asked]
        found = nearest(vectors.queries(texts), passages, questions.chunks, top_k=_TOP_K)
        return [
            evidence(text, hits) if is_question_of_facts(text) else _NEVER_REFUSED
            for text, hits in zip(texts, found, strict=True)
        ]

    asked = _openings(questions.questions)
    scored = list(zip(asked, score(asked), strict=True))
    others = {name: score(_openings(read_set(name, data).questions)) for name in off_topic}
    chosen_by = [value for one, value in scored if one.gold and not _is_reported(one)]
    answerable = [value for one, value in scored if one.gold and _is_reported(one)]
    unanswerable = [value for one, value in scored if not one.gold and _is_reported(one)]
    if not chosen_by or not answerable:
        raise ConfigError(f"The set {set_name!r} has no answered questions to choose a threshold by. Name another.")
    kept = [threshold for threshold in THRESHOLDS if _below(threshold, chosen_by) <= max_wrong]
    return NoAnswerResult(
        set_name=set_name,
        embedding=embedding,
        n_passages=len(questions.chunks),
        n_answerable=len(answerable),
        n_unanswerable=len(unanswerable),
        n_off_topic={name: len(scores) for name, scores in others.items()},
        max_wrong=max_wrong,
        chosen=max(kept, default=None),
        curve=tuple(
            Shares(
                threshold=threshold,
                answerable=_below(threshold, answerable),
                unanswerable=_below(threshold, unanswerable) if unanswerable else None,
                off_topic={name: _below(threshold, scores) for name, scores in others.items()},
            )
            for threshold in THRESHOLDS
        ),
    )


def table(result: NoAnswerResult) -> list[str]:
    """The curve in lines."""
    names = list(result.n_off_topic)
    counts = f"{result.n_answerable} answerable, {result.n_unanswerable} unanswerable"
    lines = [
        f"{result.set_name}: {result.n_passages} passages, {counts} questions in the half that is reported",
        "refused, %   answerable  unanswerable" + "".join(f"  {name:>12}" for name in names),
    ]
    for shares in result.curve:
        values = (shares.answerable, shares.unanswerable, *(shares.off_topic[name] for name in names))
        widths = (10, 12, *(12 for _ in names))
        cells = "".join(f"  {_percent(value):>{width}}" for value, width in zip(values, widths, strict=True))
        mark = "  <" if shares.threshold == result.chosen else ""
        lines.append(f"     {shares.threshold:.2f}  {cells}{mark}")
    wanted = f"at most {100 * result.max_wrong:g} % of the answerable ones wrongly refused"
    lines.append(f"<: chosen on the other half, {wanted}" if result.chosen else f"No threshold keeps to {wanted}.")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _openings(questions: Sequence[Question]) -> list[Question]:
    """Those that open a conversation: only they are refused."""
    return [one for one in questions if len(one.dialogue.turns) == 1]


def _is_reported(question: Question) -> bool:
    """One half of all questions, the same on every machine."""
    return hashlib.sha256(question.dialogue.queries[-1].encode()).digest()[0] % 2 == 1


def _below(threshold: float, scores: Sequence[float]) -> float:
    return sum(score < threshold for score in scores) / len(scores) if scores else 0.0
