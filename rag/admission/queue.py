"""Who goes next: fair between keys by the work they ask for, and nobody is starved.

Source: fair queueing by virtual time (Demers, Keshav and Shenker, 1989), by start times (Goyal, Vin and Cheng, 1996).
"""

import heapq
import itertools
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rag.types import Priority

T = TypeVar("T")
_WEIGHTS = {Priority.HIGH: 8.0, Priority.NORMAL: 1.0, Priority.LOW: 0.125}
# Of two requests of a key the later one goes first if it is shorter by more than a quarter of what the key was given
# in between: short ones pass, and a long one waits for at most four times its own work.
_PATIENCE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request asks for."""

    key: str = ""  # whose it is; without keys all are of one
    priority: Priority = Priority.NORMAL
    n_tokens: int = 1  # of the question and the longest answer: how much work it is, about

    @property
    def flow(self) -> tuple[str, Priority]:
        """What is treated fairly: the requests of a key in a class."""
        return self.key, self.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a request will hold of the engines' caches and share with nobody."""

    n_prompt_tokens: int
    n_answers: int
    answer_tokens: int  # of each at most
    kv_tokens: int | None  # that all caches hold; None: not known


@dataclass(slots=True)
class _Flow(Generic[T]):
    clock: float  # the work it was given, divided by its weight
    given: float = 0.0  # the work it was given
    heap: list[tuple[float, int, Claim, T]] = field(default_factory=list)


class FairQueue(Generic[T]):
    """Requests in the order in which they get a place. One thread uses it."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._flows: dict[tuple[str, Priority], _Flow[T]] = {}
        self._numbers = itertools.count()
        self._clock = 0.0  # of the flow that was served last

    def __len__(self) -> int:
        return sum(len(flow.heap) for flow in self._flows.values())

    def push(self, claim: Claim, item: T) -> None:
        """Nothing; the item waits."""
        flow = self._flows.setdefault(claim.flow, _Flow(self._clock))
        if not flow.heap:  # whoever was not here has nothing saved up
            flow.clock = max(flow.clock, self._clock)
        order = flow.given + _PATIENCE * claim.n_tokens
        heapq.heappush(flow.heap, (order, next(self._numbers), claim, item))

    def pop(self) -> tuple[Claim, T]:
        """The next item, which waits no more.

        Raises:
            IndexError: nobody waits.
        """
        waiting = {key: flow for key, flow in self._flows.items() if flow.heap}
        if not waiting:
            raise IndexError("nobody waits")
        flow = min(waiting.values(), key=lambda each: (each.clock, each.heap[0][1]))
        _, _, claim, item = heapq.heappop(flow.heap)
        self._clock = flow.clock
        flow.given += claim.n_tokens
        flow.clock += claim.n_tokens / _WEIGHTS[claim.priority]
        if len(waiting) == 1 and not flow.heap:  # all have had their share: what was before is forgotten
            self._flows.clear()
        return claim, item

    def remove(self, item: T) -> None:
        """Nothing; the item does not wait, whether it did or not."""
        for flow in self._flows.values():
            kept = [entry for entry in flow.heap if entry[3] is not item]
            if len(kept) < len(flow.heap):
                heapq.heapify(kept)
                flow.heap = kept

    def tokens_before(self, claim: Claim) -> int:
        """How much work goes before a request that comes now, should nobody come after it."""
        trial: FairQueue[T | None] = FairQueue()
        trial._flows = {key: _copied(flow) for key, flow in self._flows.items()}
        trial._clock, trial._numbers = self._clock, itertools.count(next(self._numbers))
        trial.push(claim, None)
        return sum(each.n_tokens for each in _until_none(trial))


def _copied(flow: _Flow[T]) -> "_Flow[T | None]":
    twin: _Flow[T | None] = copy(flow)  # type: ignore[arg-type]
    twin.heap = list(flow.heap)
    return twin


def _until_none(queue: "FairQueue[T | None]") -> Iterator[Claim]:
    while True:
        claim, item = queue.pop()
        if item is None:
            return
        yield claim
