"""Is reuse really on? Asked of the engine itself, not of its flags."""

import secrets
from enum import StrEnum

from rag.engine.base import Engine, EngineInfo
from rag.types import Sampling, Tokens

_BLOCKS = 3


class Reuse(StrEnum):
    """What the probe found."""

    ON = "on"
    OFF = "off"
    UNREPORTED = "unreported"


ADVICE = {
    Reuse.ON: "",
    Reuse.OFF: "The engine recomputes every prompt. Start vLLM with --enable-prefix-caching.",
    Reuse.UNREPORTED: "The engine does not report cached tokens. Start vLLM with --enable-prompt-tokens-details.",
}


async def probe_reuse(engine: Engine, info: EngineInfo) -> Reuse:
    """Whether a prompt that is sent twice is computed once.

    Sends three blocks of tokens twice under a salt of its own, so that it neither hits nor leaves anything that
    another request could hit.
    """
    salt = secrets.token_hex(8)
    token_ids = ordinary_tokens(_BLOCKS * info.block_size + 1)
    cached: int | None = None
    for attempt in ("first", "second"):
        async for delta in engine.stream(
            token_ids, Sampling(max_tokens=1), salt=salt, request_id=f"probe-{attempt}-{salt}", session=salt
        ):
            if delta.usage:
                cached = delta.usage.cached_tokens
    if cached is None:
        return Reuse.UNREPORTED
    return Reuse.ON if cached > 0 else Reuse.OFF


def ordinary_tokens(n_tokens: int) -> Tokens:
    """A prompt for any model: low ids are ordinary tokens or bytes in every vocabulary."""
    return tuple(100 + index % 100 for index in range(n_tokens))
