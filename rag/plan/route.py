"""Which engine a prompt goes to: what is known of the engines in, a choice and its reason out."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Of requests at one engine over the mean of all, the one that is placed included; and so many standard deviations of
# chance more: of engines with a handful of requests each, one that has twice as many is no busier than the others.
# Source: consistent hashing with bounded loads, arXiv 1608.01350.
_SLACK, _CHANCE = 0.25, 3.0
# Times that tokens count which another engine holds. Twice pays for the place that they take once more; the rest is for
# the requests after this one, which find them in one place only.
# Source: `rag bench routing --n 3000`, 4 engines, 2026-11: 0.77 of one engine's hits with 0, 0.85 with 1, 0.95 with 8.
_TWICE_COMPUTED = 8
_NEARLY = 1.1  # of the least cost: what costs less than that costs the same


class Why(StrEnum):
    """Why a prompt went where it did."""

    ONLY = "only"  # there was no other engine
    HELD = "held"  # nobody holds more of it
    HOME = "home"  # nobody holds any of it, and its prefix is at home there
    SPILLED = "spilled"  # those that hold more, or its home, had enough to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One engine that could take a prompt, and what it would cost there."""

    name: str  # the same in every service, and after every restart
    work_ms: float  # to the first token, if the engine were idle
    n_new: int  # tokens that the engine does not hold
    new_ms: float  # of its work, what computing these takes
    queue_ms: float  # what stands before it
    n_running: int  # requests that the engine has at present


@dataclass(frozen=True, slots=True)
class Route:
    """Where a prompt goes: an index into the candidates."""

    index: int
    why: Why


def route(key: str, candidates: Sequence[Candidate]) -> Route:
    """Where a prompt goes whose shared prefix is called `key`.

    Of the engines that have no more than their share of requests, the one takes it where it costs least: what stands
    before it, its own work, and several times the tokens that another engine would not have to compute. Where that is
    equal, as it is of a prefix that nobody holds, an order of the engines decides that depends on `key` and their names
    alone: its home, a second one for when that is busy, and so on. So all services agree on it, and an engine more or
    less moves no other prefixes than those that go to it or were there.

    At least one candidate.
    """
    if len(candidates) == 1:
        return Route(0, Why.ONLY)
    order = homes(key, [candidate.name for candidate in candidates])
    n_requests = 1 + sum(candidate.n_running for candidate in candidates)
    most, even = (_share(n_requests, len(candidates), chance) for chance in (_CHANCE, 0.0))
    least_new = min(candidate.n_new for candidate in candidates)
    costs = {
        index: each.queue_ms + each.work_ms + _TWICE_COMPUTED * each.new_ms * (1 - least_new / max(each.n_new, 1))
        for index, each in enumerate(candidates)
        if each.n_running < most
    }
    limit = _NEARLY * min(costs.values())
    equal = [index for index in order if costs.get(index, math.inf) <= limit]
    chosen = next((index for index in equal if candidates[index].n_running < even), equal[0])
    return Route(chosen, _why(chosen, order[0], candidates, least_new))


def _why(chosen: int, home: int, candidates: Sequence[Candidate], least_new: int) -> Why:
    if candidates[chosen].n_new > least_new:
        return Why.SPILLED
    if any(candidate.n_new > least_new for candidate in candidates):
        return Why.HELD
    return Why.HOME if chosen == home else Why.SPILLED


def has_room(n_running: int, all_running: Sequence[int]) -> bool:
    """Whether an engine may take one more request. all_running: those of every engine, its own included."""
    return n_running < _share(1 + sum(all_running), len(all_running), _CHANCE)


def _share(n_requests: int, n_engines: int, chance: float) -> int:
    """Requests that one engine may have when there are so many in all. Some engine always has fewer."""
    mean = n_requests / n_engines
    return math.ceil((1 + _SLACK) * mean + chance * math.sqrt(mean))


def n_homes(share: float, n_engines: int) -> int:
    """How many engines it takes for a prefix that such a share of all questions asks for, with none above its own."""
    return min(max(math.ceil(share * n_engines / (1 + _SLACK)), 1), n_engines)


def homes(key: str, names: Sequence[str]) -> list[int]:
    """The places of `names` in the order in which a prefix called `key` is at home there.

    Source: rendezvous hashing (Thaler and Ravishankar, 1998).
    """
    scores = [hashlib.blake2b(f"{key}\n{name}".encode(), digest_size=8).digest() for name in names]
    return sorted(range(len(names)), key=lambda index: (scores[index], index), reverse=True)
