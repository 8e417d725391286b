"""Two runs side by side: a paired bootstrap over the questions that both have answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.errors import ConfigError
from rag.evaluate.outcome import Fraction
from rag.evaluate.run import Document, fractions_of

_AT_ONCE = 500  # resamples held in memory together
_INTERVAL = (2.5, 97.5)  # per cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A measure of both runs, and how sure it is that they differ.

    `low` and `high` bound the difference in 95 % of the resamples; `p` is the two-sided chance to see such a
    difference if there is none. `n`: questions that the measure applies to in either run.
    """

    measure: str
    a: float
    b: float
    difference: float  # b - a
    low: float
    high: float
    p: float
    n: int


def compare(a: Document, b: Document, *, n_resamples: int = 10_000, seed: int = 1) -> list[Difference]:
    """The differences of all measures that both runs have.

    The same questions are drawn for both each time, with replacement, so what makes a question easy or hard for
    either does not count.

    Raises:
        ConfigError: the runs share no answered question.
    """
    left, right = fractions_of(a), fractions_of(b)
    shared = [question for question in left if question in right]
    if not shared:
        raise ConfigError("The two runs have no answered question in common. Compare runs over the same questions.")
    names = dict.fromkeys(name for question in shared for name in left[question])
    found = (
        _difference(
            name,
            _columns([left[question].get(name, (0, 0)) for question in shared]),
            _columns([right[question].get(name, (0, 0)) for question in shared]),
            n_resamples=n_resamples,
            seed=seed,
        )
        for name in names
    )
    return [each for each in found if each]


def _columns(fractions: list[Fraction]) -> NDArray[np.float64]:
    return np.array(fractions, dtype=np.float64)


def _difference(
    name: str, a: NDArray[np.float64], b: NDArray[np.float64], *, n_resamples: int, seed: int
) -> Difference | None:
    applies = (a[:, 1] > 0) | (b[:, 1] > 0)
    a, b = a[applies], b[applies]
    if not (a[:, 1].sum() and b[:, 1].sum()):
        return None
    drawn = _resampled(a, b, n_resamples, np.random.default_rng(seed))
    low, high = np.percentile(drawn, _INTERVAL)
    # One more on both sides: the data themselves are one resample, so that p is never 0.
    beyond = 1 + min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    of_a, of_b = (float(each[:, 0].sum() / each[:, 1].sum()) for each in (a, b))
    return Difference(
        measure=name,
        a=of_a,
        b=of_b,
        difference=of_b - of_a,
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * beyond / (len(drawn) + 1)),
        n=len(a),
    )


def _resampled(
    a: NDArray[np.float64], b: NDArray[np.float64], n_resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """The difference in each resample in which both runs have something to measure."""
    n = len(a)
    parts = []
    for start in range(0, n_resamples, _AT_ONCE):
        times = random.multinomial(n, np.full(n, 1 / n), size=min(_AT_ONCE, n_resamples - start))
        sums_a, sums_b = times @ a, times @ b
        usable = (sums_a[:, 1] > 0) & (sums_b[:, 1] > 0)
        parts.append(sums_b[usable, 0] / sums_b[usable, 1] - sums_a[usable, 0] / sums_a[usable, 1])
    return np.concatenate(parts)
