"""How fast the service works, as measured while it was busy, and so how long a request will wait."""

import math
from collections import deque

_KEPT = 64  # requests
_LEAST = 4  # of them before anything is foretold


class Pace:
    """Work done in a second, and the time from a place to the first token. Times in seconds."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._done: deque[tuple[float, int]] = deque(maxlen=_KEPT)  # when, tokens; since others wait without a break
        self._tokens_per_s: float | None = None
        self._mean_tokens = 0.0
        self._first_s: deque[float] = deque(maxlen=_KEPT)
        self._answers: deque[int] = deque(maxlen=_KEPT)

    def done(self, now: float, n_tokens: int, *, is_busy: bool) -> None:
        """Nothing; a request has left its place. is_busy: others waited for it, so the service worked all the time."""
        if not is_busy:  # the time until the next one leaves is not all work
            self._done.clear()
        self._done.append((now, n_tokens))
        took_s = now - self._done[0][0]
        if len(self._done) >= _LEAST and took_s > 0:
            self._tokens_per_s = sum(tokens for _, tokens in list(self._done)[1:]) / took_s
            self._mean_tokens = sum(tokens for _, tokens in self._done) / len(self._done)

    def answered(self, first_s: float, n_tokens: int) -> None:
        """Nothing; an answer of so many tokens took so long from its place to its first token."""
        self._first_s.append(first_s)
        self._answers.append(n_tokens)

    def wait_s(self, tokens_before: int) -> float:
        """Seconds until a request gets a place that has so much work before it; 0 where nothing is known."""
        if self._tokens_per_s is None:
            return 0.0
        return (tokens_before + self._mean_tokens) / self._tokens_per_s  # somebody has to leave first

    @property
    def first_s(self) -> float:
        """Seconds from a place to the first token that 19 of 20 requests keep within; 0: not known."""
        found = sorted(self._first_s)
        return found[math.ceil(0.95 * len(found)) - 1] if len(found) >= _LEAST else 0.0

    def answer_tokens(self, at_most: int) -> int:
        """How long an answer may well become that is asked for with so many tokens."""
        if len(self._answers) < _LEAST:
            return at_most
        return min(at_most, max(self._answers))
