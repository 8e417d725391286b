"""The arms: ways to lay out what retrieval found. All get the same hits; what they show of them is in their names."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Protocol

from rag.bench.reuse.ground import Ground
from rag.bench.reuse.pilot import ContextPilot
from rag.bench.reuse.weaver import PrefixTree
from rag.bench.reuse.workload import Workload
from rag.errors import ConfigError
from rag.plan import Dialogue, Plan, PlannedTurn, relevant
from rag.types import Chunk, Hit

OFF = "off"
Hits = Sequence[Hit]
Order = Callable[[Hits], Sequence[Chunk]]


class Arm(Protocol):
    """Plans the prompts of one access group. One thread at a time calls."""

    name: str

    def warm(self) -> Sequence[Plan]:
        """Prompts to compute before anything is measured. Usually none."""

    def plan(self, dialogue: Dialogue, hits: Sequence[Hits]) -> Plan:
        """The prompt of a conversation's last question. hits: what was found for each turn, best first."""

    def served(self, plan: Plan) -> None:
        """Nothing; takes note that a plan's request has finished, so the engine has computed all of it."""


class Ordered:
    """Shows some hits of the last question, in some order; earlier turns are bare text, as most services send them."""

    def __init__(self, name: str, order: Order, *, on_served: Callable[[Sequence[Chunk]], None] | None = None) -> None:
        """on_served: told of the chunks of each request that has finished, in their order."""
        self.name = name
        self._order = order
        self._on_served = on_served

    def warm(self) -> Sequence[Plan]:
        """None."""
        return ()

    def plan(self, dialogue: Dialogue, hits: Sequence[Hits]) -> Plan:
        """The conversation, with passages before its last question."""
        *earlier, last = dialogue.turns
        turns = [PlannedTurn(question=turn.question, answer=turn.answer) for turn in earlier]
        shown = PlannedTurn(question=last.question, chunks=tuple(self._order(hits[-1])))
        return Plan(application=dialogue.application, turns=(*turns, shown))

    def served(self, plan: Plan) -> None:
        """Nothing; tells whoever asked."""
        if self._on_served:
            self._on_served(plan.turns[-1].chunks)


def request_salt(arm: str, salt: str, group: int, index: int) -> str:
    """The salt of one request: the group's own, or for the arm without any reuse one that comes once."""
    return f"{salt}-{group}-{index}" if arm == OFF else f"{salt}-{group}"


def _chunks(hits: Hits) -> list[Chunk]:
    return [hit.chunk for hit in hits]


def _retrieval(name: str, _: Ground, __: ExitStack) -> Arm:
    return Ordered(name, _chunks)


def _retrieval_cut(name: str, ground: Ground, _: ExitStack) -> Arm:
    return Ordered(name, lambda hits: _chunks(relevant(hits, keep_ratio=ground.cut)))


def _random(name: str, ground: Ground, _: ExitStack) -> Arm:
    chance = random.Random(ground.seed)  # noqa: S311  # no secret
    return Ordered(name, lambda hits: chance.sample(_chunks(hits), len(hits)))


def _document(name: str, _: Ground, __: ExitStack) -> Arm:
    return Ordered(name, lambda hits: sorted(_chunks(hits), key=lambda chunk: (chunk.document, chunk.seq)))


def _cacheweaver(name: str, ground: Ground, _: ExitStack) -> Arm:
    tree = PrefixTree(ground.cost, capacity_tokens=ground.kv_tokens)
    return Ordered(name, lambda hits: tree.walk(_chunks(hits)), on_served=tree.insert)


def _cacheweaver_cut(name: str, ground: Ground, _: ExitStack) -> Arm:
    tree = PrefixTree(ground.cost, capacity_tokens=ground.kv_tokens)
    return Ordered(name, lambda hits: tree.walk(_chunks(relevant(hits, keep_ratio=ground.cut))), on_served=tree.insert)


def _contextpilot(name: str, ground: Ground, stack: ExitStack) -> Arm:
    pilot = stack.enter_context(ContextPilot(ground.arms_dir))
    return Ordered(name, lambda hits: pilot.reorder(_chunks(hits)))


def _ours(
    name: str, ground: Ground, _: ExitStack, *, topic_tokens: int | None = None, keep_ratio: float | None = None
) -> Arm:
    from rag.bench.reuse.ours import Ours  # the other arms run where the service's own packages are missing

    return Ours(name, ground, topic_tokens=topic_tokens, keep_ratio=keep_ratio)


# In the order of the report.
ARMS: dict[str, Callable[[str, Ground, ExitStack], Arm]] = {
    OFF: _retrieval,
    "retrieval": _retrieval,
    "retrieval-cut": _retrieval_cut,
    "random": _random,
    "document": _document,
    "cacheweaver": _cacheweaver,
    "cacheweaver-cut": _cacheweaver_cut,
    "contextpilot": _contextpilot,
    "ours": _ours,
    "ours-no-prefix": partial(_ours, topic_tokens=0),
    "ours-uncut": partial(_ours, keep_ratio=0.0),
}


def open_arms(name: str, workload: Workload, ground: Ground, stack: ExitStack) -> dict[int, Arm]:
    """A new arm for each group of a workload; what they hold open is closed with `stack`."""
    groups = sorted({request.group for request in workload.requests})
    return {group: ARMS[name](name, replace(ground, salt=f"{ground.salt}-{group}"), stack) for group in groups}


def check_names(names: Sequence[str]) -> None:
    """Nothing; every name is an arm's.

    Raises:
        ConfigError: one is not, or stands there twice.
    """
    for index, name in enumerate(names):
        if name not in ARMS:
            raise ConfigError(f"The arm {name!r} is unknown. There are: {', '.join(ARMS)}.")
        if name in names[:index]:
            raise ConfigError(f"The arm {name!r} is named twice. Name it once.")
