"""Limits of a key: requests and tokens in a minute, requests at the same time."""

import asyncio
import math
import secrets
from contextlib import suppress

from rag.auth.counters import MINUTE_S, Counters, Level
from rag.errors import OverLimit
from rag.store import KeyLimits

_RENEW_S = 10.0  # a third of a lease: two renewals may be lost


class Limiter:
    """Admits requests of keys that have limits."""

    def __init__(self, counters: Counters, *, renew_s: float = _RENEW_S) -> None:
        """renew_s: how often held places are renewed."""
        self._counters = counters
        self._renew_s = renew_s
        self._leases: set[tuple[str, str]] = set()
        self._renewing: asyncio.Task[None] | None = None

    def meter(self, key_id: str, limits: KeyLimits) -> "KeyMeter":
        """What one request of the key is measured by. `admit` it first, `close` it last."""
        return KeyMeter(key_id, limits, self._counters, self)

    def keep(self, place: str, lease: str) -> None:
        """Nothing; the place is renewed until it is `let_go`."""
        self._leases.add((place, lease))
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="leases")

    def let_go(self, place: str, lease: str) -> None:
        """Nothing; the place is not renewed any more."""
        self._leases.discard((place, lease))

    async def close(self) -> None:
        """Nothing; connections are closed."""
        if self._renewing:
            self._renewing.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewing
            self._renewing = None
        await self._counters.close()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            await self._counters.renew(tuple(self._leases))


class KeyMeter:
    """One request of a key: what it reserves, what it has really used, and how much the key has left."""

    def __init__(self, key_id: str, limits: KeyLimits, counters: Counters, limiter: Limiter) -> None:
        """Nothing is taken yet."""
        self._limits = limits
        self._counters = counters
        self._limiter = limiter
        self._place = f"{key_id}:places"
        self._buckets = {kind: f"{key_id}:{kind}" for kind in ("requests", "tokens")}
        self._sizes = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
        self._levels: dict[str, Level] = {}
        self._lease: str | None = None
        self._reserved = 0
        self._spent = 0

    async def admit(self) -> None:
        """Nothing; the request counts, and holds a place until it is closed.

        Raises:
            OverLimit: too many requests at the same time, or in the last minute.
        """
        if self._limits.tokens_per_minute:
            await self._take("tokens", 0)  # what is left is told on every answer
        if self._limits.concurrent:
            await self._hold(self._limits.concurrent)
        if self._limits.requests_per_minute and not (await self._take("requests", 1)).taken:
            await self.close()
            raise self._over("requests", 1)

    async def reserve(self, n_tokens: int) -> None:
        """Nothing; so many tokens are set aside for this request.

        Raises:
            OverLimit: they are not there now, or are more than the key ever has.
        """
        size = self._limits.tokens_per_minute
        if not size:
            return
        if n_tokens > size:
            raise OverLimit(
                f"The request may use {n_tokens} tokens, prompt and answer together, and the key has {size} a minute: "
                "it can never pass. Ask for fewer max_tokens or a shorter prompt, or use a key with a higher limit.",
                kind="tokens",
                retry_after_s=None,
            )
        if not (await self._take("tokens", n_tokens)).taken:
            raise self._over("tokens", n_tokens)
        self._reserved += n_tokens

    def spend(self, n_tokens: int) -> None:
        """Nothing; so many tokens were really used."""
        self._spent += n_tokens

    async def settle(self) -> None:
        """Nothing; the key is charged what was used so far instead of what was reserved."""
        if self._limits.tokens_per_minute and self._spent != self._reserved:
            await self._take("tokens", self._spent - self._reserved, must=True)
            self._reserved = self._spent

    async def close(self) -> None:
        """Nothing; the request is settled and its place is free."""
        await self.settle()
        if self._lease:
            self._limiter.let_go(self._place, self._lease)
            await self._counters.release(self._place, self._lease)
            self._lease = None

    def headers(self) -> dict[str, str]:
        """What the key has left, as OpenAI's clients read it."""
        headers = {}
        for kind, level in self._levels.items():
            size = self._sizes[kind] or 0
            headers[f"x-ratelimit-limit-{kind}"] = str(size)
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, math.floor(size - level.used)))
            headers[f"x-ratelimit-reset-{kind}"] = duration(level.used * MINUTE_S / size)
        return headers

    async def _hold(self, n_places: int) -> None:
        lease = secrets.token_hex(8)
        if not await self._counters.hold(self._place, lease, n_places):
            raise OverLimit(
                f"{n_places} requests of this key are under way, which is its limit. Wait until one has ended, or use "
                "a key with a higher limit.",
                kind="requests",
                retry_after_s=1.0,
            )
        self._lease = lease
        self._limiter.keep(self._place, lease)

    async def _take(self, kind: str, amount: int, *, must: bool = False) -> Level:
        level = await self._counters.take(self._buckets[kind], amount, self._sizes[kind] or 0, must=must)
        self._levels[kind] = level
        return level

    def _over(self, kind: str, amount: int) -> OverLimit:
        size, used = self._sizes[kind] or 0, self._levels[kind].used
        wait_s = max(0.0, used + amount - size) * MINUTE_S / size
        return OverLimit(
            f"The limit of this key is {size} {kind} a minute; {math.ceil(used)} count now and this request needs "
            f"{amount}. Try again in {duration(wait_s)}, or use a key with a higher limit.",
            kind="requests" if kind == "requests" else "tokens",
            retry_after_s=wait_s,
        )


def duration(seconds: float) -> str:
    """The time as OpenAI writes it: 12ms, 1s, 1.5s, 6m0s. Rounded up, so that whoever waits has waited long enough."""
    n_ms = math.ceil(seconds * 1000 - 1e-6)
    if n_ms < 1000:
        return f"{n_ms}ms"
    if n_ms < MINUTE_S * 1000:
        return f"{n_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return "{}m{}s".format(*divmod(math.ceil(n_ms / 1000), 60))
