"""The shared prefix of a collection: which documents every prompt starts with."""

from collections.abc import Sequence

from rag.plan.turns import Passage


def choose_shared(passages: Sequence[Passage], *, budget_tokens: int) -> tuple[Passage, ...]:
    """All passages, in the order given, if they fit `budget_tokens`; otherwise none.

    A part of a collection helps only the questions about that part, and costs all others; which part is worth
    it needs what the engine's cache can hold and what is asked.
    """
    total = sum(passage.n_tokens for passage in passages)
    return tuple(passages) if total <= budget_tokens else ()
