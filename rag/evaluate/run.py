"""A run as a whole: what is kept of it, summed up and read again."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigError
from rag.evaluate.outcome import Fraction, Outcome

# Any: JSON that is written, and read back by `read_run`.
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure over many questions: `value` is a share or a mean, `n` the questions that it is of."""

    value: float
    n: int


def document(outcomes: Sequence[Outcome], about: Mapping[str, object]) -> Document:
    """A run as JSON: what it was, its figures, and a row for each question.

    about: what was asked of whom, as it is to stand at the head.
    """
    answered = [each for each in outcomes if each.said]
    citations = [citation for each in answered if each.said for citation in each.said.citations]
    return {
        **about,
        "questions": len(outcomes),
        "answerable": sum(each.question.is_answerable for each in outcomes),
        "failed": len(outcomes) - len(answered),
        "measures": {name: asdict(each) for name, each in summed(each.measures for each in answered).items()},
        "citations": {
            "by_status": dict(Counter(each.status for each in citations).most_common()),
            "by_problem": dict(Counter(each.problem for each in citations if each.problem).most_common()),
        },
        "latency_ms": _latencies(answered),
        "rows": [_row(each) for each in outcomes],
    }


def summed(questions: Iterable[Mapping[str, Fraction]]) -> dict[str, Measured]:
    """Each measure over all questions that it applies to, in the order in which they come up."""
    sums: dict[str, tuple[float, float, int]] = {}
    for measures in questions:
        for name, (above, below) in measures.items():
            sum_above, sum_below, n = sums.get(name, (0.0, 0.0, 0))
            sums[name] = sum_above + above, sum_below + below, n + 1
    return {name: Measured(value=above / below, n=n) for name, (above, below, n) in sums.items() if below}


def read_run(file: Path) -> Document:
    """A run that was written.

    Raises:
        ConfigError: it is none.
    """
    try:
        read = json.loads(file.read_text("utf-8"))
        {row["id"]: row["measures"].items() for row in read["rows"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{str(file)!r} is no run of `rag eval` ({type(error).__name__}: {error}). Make one with --out FILE."
        ) from None
    return dict(read)


def fractions_of(run: Document) -> dict[str, dict[str, Fraction]]:
    """The measures of each question that was answered, by its id."""
    return {
        row["id"]: {name: (above, below) for name, (above, below) in row["measures"].items()}
        for row in run["rows"]
        if row["error"] is None
    }


def _latencies(answered: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    import numpy as np

    found = {}
    for name in ("first_token_ms", "total_ms"):
        values = [each.measures[name][0] for each in answered]
        if values:
            p50, p95 = np.percentile(values, [50, 95])
            found[name.removesuffix("_ms")] = {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}
    return found


def _row(each: Outcome) -> Document:
    question = each.question
    return {
        "id": question.id,
        "question": question.text,
        "answerable": question.is_answerable,
        "answers": list(question.answers),
        "gold": dict(question.gold),
        "error": each.error,
        **(asdict(each.said) if each.said else {}),
        "measures": {name: list(fraction) for name, fraction in each.measures.items()},
    }
