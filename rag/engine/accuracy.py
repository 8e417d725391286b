"""How well the reuse of the last requests was predicted."""

from collections import deque

_REQUESTS = 100
_TOLERABLE = 0.05


class Accuracy:
    """Prompt tokens of the last hundred requests, and how many of them were predicted wrongly."""

    def __init__(self) -> None:
        """No requests yet."""
        self._requests: deque[tuple[int, int]] = deque(maxlen=_REQUESTS)
        self.is_off = False  # more were wrong than is tolerable

    @property
    def error(self) -> float | None:
        """Share of the prompt tokens that were wrong, 0 to 1; None before the first request."""
        n_tokens = sum(prompt for prompt, _ in self._requests)
        return sum(wrong for _, wrong in self._requests) / n_tokens if n_tokens else None

    def add(self, *, prompt_tokens: int, predicted_tokens: int, cached_tokens: int) -> bool:
        """Take in a request. True if with it, and not before, the error became intolerable."""
        self._requests.append((prompt_tokens, abs(predicted_tokens - cached_tokens)))
        was_off = self.is_off
        # A few cold requests say nothing of the rest.
        self.is_off = len(self._requests) == _REQUESTS and (self.error or 0.0) > _TOLERABLE
        return self.is_off and not was_off
