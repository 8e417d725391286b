"""Which chunks one turn of a conversation adds to the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.types import Chunk, Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk and the tokens that showing it costs, its label included."""

    chunk: Chunk
    n_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTurn:
    """A question, the chunks shown with it, and the answer it got (None: it is the one asked now)."""

    question: str
    chunks: tuple[Chunk, ...] = ()
    answer: str | None = None
    results: str = ""  # of tools, before the question


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole prompt: the shared prefix, then the turns in order. Every chunk appears once."""

    shared: tuple[Chunk, ...] = ()
    application: str = ""
    application_last: bool = False  # it changes with every request, so nothing that is shared may stand behind it
    turns: tuple[PlannedTurn, ...] = field(default=())


def plan_turn(
    hits: Sequence[Hit], n_tokens: Sequence[int], *, shown: frozenset[int], budget_tokens: int
) -> tuple[Chunk, ...]:
    """The chunks that a turn adds.

    Chunks are taken by relevance while they fit `budget_tokens` and nothing above shows them (`shown`: their
    seq), and stand with the best one last, next to the question. A chunk that does not fit is left out and smaller
    ones behind it may still come in.

    n_tokens: cost of each hit, as in `Passage`.
    """
    taken: list[Chunk] = []
    left = budget_tokens
    for hit, cost in zip(hits, n_tokens, strict=True):
        if hit.chunk.seq not in shown and cost <= left:
            taken.append(hit.chunk)
            left -= cost
    return tuple(reversed(taken))
