"""How long an engine takes to its first token, by what it must compute and what it has computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Milliseconds of one engine: fixed, for each new token, for each cached one, and for attention.

    Source of the form: prefill work is linear in the new tokens, plus attention of each new token over all before
    it. The defaults are those of an 8B model on one H200 (measured 2026-11); `fit` replaces them by the engine's own.
    """

    fixed_ms: float = 12.5
    new_ms: float = 0.0195
    cached_ms: float = 0.0006
    attention_ms: float = 5.8e-7  # for each pair of a new token and a token before it, twice over

    def first_token_ms(self, n_new: int, n_cached: int) -> float:
        """Time to the first token of a prompt on an idle engine."""
        return self.fixed_ms + self.cached_ms * n_cached + self.computing_ms(n_new, n_cached)

    def computing_ms(self, n_new: int, n_cached: int) -> float:
        """What the new tokens take of it."""
        return self.new_ms * n_new + self.attention_ms * n_new * (n_new + 2 * n_cached)


def fit_pace(samples: Sequence[tuple[int, int, float]]) -> Pace:
    """The pace that explains measured first tokens best.

    samples: new tokens, cached tokens, milliseconds; at least one all new, one mostly cached and a shorter one of
    each. Attention keeps its share of the default: a start-up cannot afford the long prompts that would show it.
    """
    known = Pace()
    share = known.attention_ms / known.new_ms
    rows = np.array([(1, new + share * new * (new + 2 * cached), cached) for new, cached, _ in samples], np.float64)
    times = np.array([ms for _, _, ms in samples], np.float64)
    fixed, new_ms, cached_ms = np.linalg.lstsq(rows, times, rcond=None)[0].tolist()
    # Noise must not make work free, nor a cached token nearly as dear as a new one: a fifth of one was the most that
    # was seen (8B on one H200, a slow host in front of it), a sixtieth on a small CPU.
    new_ms = max(new_ms, 1e-6)
    cached_ms = min(max(cached_ms, new_ms / 1000), new_ms / 5)
    return Pace(fixed_ms=max(fixed, 0.0), new_ms=new_ms, cached_ms=cached_ms, attention_ms=share * new_ms)
