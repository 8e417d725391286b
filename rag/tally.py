"""Reuse by collection since the service started: how much, and what stood in its way."""

from collections import Counter
from dataclasses import dataclass, field

from rag.ask import Reuse


@dataclass(slots=True)
class _Sums:
    n_answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    misses: Counter[str] = field(default_factory=Counter)


class Tally:
    """Sums over answers. Used on one event loop; reading from another thread may miss the latest answer."""

    def __init__(self) -> None:
        """Nothing answered yet."""
        self._sums: dict[str, _Sums] = {}

    def add(self, collection: str, reuse: Reuse) -> None:
        """Count one answer."""
        sums = self._sums.setdefault(collection, _Sums())
        sums.n_answers += 1
        sums.prompt_tokens += reuse.prompt_tokens
        sums.cached_tokens += reuse.cached_tokens or 0
        if reuse.miss_reason:
            sums.misses[reuse.miss_reason] += 1

    def n_answers(self, collection: str) -> int:
        """Answers from a collection."""
        return self._sums.get(collection, _Sums()).n_answers

    def facts(self, collection: str) -> dict[str, object]:
        """The sums of a collection, its misses by reason, most frequent first."""
        sums = self._sums.get(collection, _Sums())
        return {
            "answers": sums.n_answers,
            "prompt_tokens": sums.prompt_tokens,
            "cached_tokens": sums.cached_tokens,
            "misses": dict(sums.misses.most_common()),
        }
