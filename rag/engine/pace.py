"""How fast an engine is, measured on it when it gets ready."""

import secrets
import time

from rag.engine.base import Engine, EngineInfo
from rag.engine.probe import ordinary_tokens
from rag.plan import Pace, fit_pace
from rag.types import Sampling, Tokens

_LENGTHS = (256, 2048)  # tokens; four seconds in all on a small CPU, half a one on a GPU
# Of the cached ones, whose differences are small: so often at least, and for so long.
_REPEATS = 3
_REPEAT_S = 0.1
_SHARE = 4  # of the window at most


async def measure_pace(engine: Engine, info: EngineInfo) -> Pace:
    """The pace of an idle engine that reuses: prompts of two lengths, each new and then cached.

    They stand under a salt of their own, so they neither hit nor leave anything that a request could hit.

    Raises:
        EngineError, EngineUnavailable: as of `Engine.stream`.
    """
    samples: list[tuple[int, int, float]] = []
    for length in _LENGTHS:
        n_tokens = min(length, info.window_tokens // _SHARE) // info.block_size * info.block_size + 1
        salt = secrets.token_hex(8)
        token_ids = ordinary_tokens(n_tokens)
        samples.append((n_tokens, 0, await _first_token_ms(engine, token_ids, salt)))
        cached_ms: list[float] = []
        end = time.perf_counter() + _REPEAT_S
        while len(cached_ms) < _REPEATS or time.perf_counter() < end:
            cached_ms.append(await _first_token_ms(engine, token_ids, salt))
        samples.append((1, n_tokens - 1, min(cached_ms)))
    return fit_pace(samples)


async def _first_token_ms(engine: Engine, token_ids: Tokens, salt: str) -> float:
    start = time.perf_counter()
    first_ms: float | None = None
    async for _ in engine.stream(token_ids, Sampling(max_tokens=1), salt=salt, request_id=f"pace-{salt}", session=salt):
        first_ms = first_ms or (time.perf_counter() - start) * 1000
    return first_ms or (time.perf_counter() - start) * 1000
