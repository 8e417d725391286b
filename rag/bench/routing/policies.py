"""Ways to choose an engine: the service's own, and what else balancers do."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.bench.reuse.cost import LLAMA_8B_ON_H200 as PACE
from rag.bench.routing.trace import Arrival
from rag.plan import Candidate, homes, route


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of one engine when a prompt arrives."""

    name: str
    n_cached: int  # tokens of the prompt that it holds
    queue_ms: float
    n_running: int


Policy = Callable[[Arrival, Sequence[View]], int]


def _ours() -> Policy:
    def choose(arrival: Arrival, views: Sequence[View]) -> int:
        return route(arrival.key, [_candidate(arrival, view) for view in views]).index

    return choose


def _candidate(arrival: Arrival, view: View) -> Candidate:
    n_new = arrival.n_tokens - view.n_cached
    return Candidate(
        name=view.name,
        work_ms=PACE.first_token_ms(n_new, view.n_cached),
        n_new=n_new,
        new_ms=PACE.computing_ms(n_new, view.n_cached),
        queue_ms=view.queue_ms,
        n_running=view.n_running,
    )


def _round_robin() -> Policy:
    turn = itertools.count()
    return lambda _, views: next(turn) % len(views)


def _least_running() -> Policy:
    return lambda _, views: min(range(len(views)), key=lambda index: views[index].n_running)


def _most_cached() -> Policy:
    return lambda _, views: max(range(len(views)), key=lambda i: (views[i].n_cached, -views[i].n_running))


def _hashed() -> Policy:
    return lambda arrival, views: homes(arrival.key, [view.name for view in views])[0]


# In the order of the report.
POLICIES: dict[str, Callable[[], Policy]] = {
    "ours": _ours,
    "most-cached": _most_cached,
    "consistent-hash": _hashed,
    "least-running": _least_running,
    "round-robin": _round_robin,
}
