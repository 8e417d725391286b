"""The highest rate at which an arm keeps a promise."""

from collections.abc import Awaitable, Callable

_FIRST, _LOWEST, _HIGHEST = 1.0, 1 / 16, 1024.0
_BISECTIONS = 4  # to within 6 % of a factor of two


async def highest_rate(p95_ms: Callable[[float], Awaitable[float]], *, limit_ms: float) -> float:
    """Requests per second, as far as is tried, at which `p95_ms` stays at or below `limit_ms`; 0: not even 1/16.

    By doubling (or halving) from 1 and then bisection, so the answer is low by at most 1/16 of itself.

    p95_ms: measures one rate.
    """
    low, high = 0.0, _FIRST
    while high <= _HIGHEST and await p95_ms(high) <= limit_ms:
        low, high = high, 2 * high
    while low == 0.0 and high > _LOWEST:
        high /= 2
        if await p95_ms(high) <= limit_ms:
            low, high = high, 2 * high
    if low == 0.0 or high > _HIGHEST:
        return low
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if await p95_ms(middle) <= limit_ms:
            low = middle
        else:
            high = middle
    return low
