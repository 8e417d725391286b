"""A load sent as it comes, and the highest rate at which answers still keep their limits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import httpx2

from rag.bench.openloop.arms import Arm
from rag.bench.openloop.arrivals import Arrival
from rag.bench.openloop.callers import Seen, call
from rag.bench.stats import percentile

_TIMEOUT_S = 120.0
_STEPS = 5  # halvings of the gap between a rate that holds and one that does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a good answer keeps to."""

    first_ms: float = 1000.0  # to its first text
    between_ms: float = 200.0  # on average from one piece of text to the next
    share: float = 0.99  # of the requests that were taken must keep both
    shed: float = 0.01  # of all may be refused for a rate to hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One arm at one rate. Times in milliseconds; None where no request gives one."""

    arm: str
    rate: float  # requests in a second, as they came
    n_sent: int
    n_whole: int
    n_shed: int  # 429 and 503
    n_failed: int  # anything else
    within: float  # share of the requests that were taken and kept both limits
    first_p50_ms: float | None
    first_p95_ms: float | None
    first_p99_ms: float | None
    between_p95_ms: float | None
    shed_p99_ms: float | None  # until a refusal was there
    cached_share: float | None  # of prompt tokens, by the service's own report

    def holds(self, limits: Limits) -> bool:
        """Whether the arm serves this rate."""
        return not self.n_failed and self.within >= limits.share and self.n_shed <= limits.shed * self.n_sent

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


async def send(arm: Arm, arrivals: Sequence[Arrival], limits: Limits) -> Level:
    """What became of a load. Every request is sent when it is due, however many are under way."""
    connections = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx2.AsyncClient(timeout=_TIMEOUT_S, limits=connections, trust_env=False) as client:
        start = time.perf_counter()

        async def one(arrival: Arrival) -> Seen:
            due = start + arrival.at_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            return await call(client, arm.url, arm.body(arrival), arm.headers, due=due)

        seen = await asyncio.gather(*(one(arrival) for arrival in arrivals))
    return _level(arm.name, arrivals, seen, limits)


async def highest_rate(
    arm: Arm,
    load: Callable[[float], Sequence[Arrival]],
    limits: Limits,
    *,
    first: float,
    report: Callable[[Level], None],
) -> float | None:
    """The highest rate that holds, to a few percent; None: `first` does not hold nor anything down to an eighth of it.

    load: arrivals of a rate. report: called with every level that was tried.
    """

    async def holds(rate: float) -> bool:
        level = await send(arm, load(rate), limits)
        report(level)
        return level.holds(limits)

    low, high = None, first
    if await holds(first):
        low, high = first, 2 * first
        while await holds(high):
            low, high = high, 2 * high
    else:
        for part in (2, 4, 8):
            if await holds(first / part):
                low, high = first / part, first / part * 2
                break
    if low is None:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if await holds(middle) else (low, middle)
    return low


def _level(arm: str, arrivals: Sequence[Arrival], seen: Sequence[Seen], limits: Limits) -> Level:
    whole = [each for each in seen if each.is_whole]
    shed = [each for each in seen if each.status in {429, 503}]
    n_taken = len(seen) - len(shed)
    kept = sum(each.keeps(first_ms=limits.first_ms, between_ms=limits.between_ms) for each in whole)
    firsts = [each.first_ms for each in whole if each.first_ms is not None]
    reuse = [each.reuse for each in whole if each.reuse.get("cached_tokens") is not None]
    n_prompt = sum(each["prompt_tokens"] for each in reuse)
    lasted_s = max((each.at_s for each in arrivals), default=0.0)
    return Level(
        arm=arm,
        rate=round(len(arrivals) / lasted_s, 2) if lasted_s else 0.0,
        n_sent=len(seen),
        n_whole=len(whole),
        n_shed=len(shed),
        n_failed=n_taken - len(whole),
        within=kept / n_taken if n_taken else 0.0,
        first_p50_ms=_of(firsts, 0.5),
        first_p95_ms=_of(firsts, 0.95),
        first_p99_ms=_of(firsts, 0.99),
        between_p95_ms=_of([each.between_ms for each in whole], 0.95),
        shed_p99_ms=_of([each.total_ms for each in shed], 0.99),
        cached_share=sum(each["cached_tokens"] for each in reuse) / n_prompt if n_prompt else None,
    )


def _of(values: Sequence[float], share: float) -> float | None:
    return round(percentile(values, share), 1) if values else None
