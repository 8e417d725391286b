"""The highest rate at which an arm keeps a promise."""

from collections.abc import Awaitable, Callable

_FIRST, _LOWEST = 1.0, 1 / 16
_BISECTIONS = 4


async def highest_rate(p95_ms: Callable[[float], Awaitable[float]], *, limit_ms: float, most_per_s: float) -> float:
    """Requests per second, up to `most_per_s`, at which `p95_ms` stays within `limit_ms`; 0: not even one in 16 s.

    By doubling (or halving) from 1 and then bisection, so the answer is low by at most 1/16 of itself. A rate that
    misses is tried once more before it counts as missed: one stall of the machine is no property of an arm.

    p95_ms: measures one rate.
    """

    async def is_kept(per_s: float) -> bool:
        return await p95_ms(per_s) <= limit_ms or await p95_ms(per_s) <= limit_ms

    low, high = 0.0, min(_FIRST, most_per_s)
    while await is_kept(high):
        if high == most_per_s:
            return high
        low, high = high, min(2 * high, most_per_s)
    while low == 0.0 and high > _LOWEST:
        if await is_kept(high / 2):
            low = high / 2
        else:
            high /= 2
    for _ in range(_BISECTIONS if low else 0):
        middle = (low + high) / 2
        if await is_kept(middle):
            low = middle
        else:
            high = middle
    return low
