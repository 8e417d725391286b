"""Counters that several services share, in Redis."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from rag.auth.counters import MINUTE_S, ROUNDING, Level, MemoryCounters
from rag.errors import ConfigError

T = TypeVar("T")

log = structlog.get_logger()

LEASE_S = 30.0  # a place that nobody renews for so long is free: its service has died
_TIMEOUT_S = 0.5  # a request does not wait for a Redis that hangs
_PAUSE_S = 5.0  # between two tries of one that fails
_PREFIX = "prefixrag:limits:"

# Redis's own clock counts: those of the services may differ. Numbers leave as text, for Redis cuts them to integers.
_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
_TAKE = f"""{_NOW}
local amount, size, must = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local kept = redis.call('HMGET', KEYS[1], 'used', 'at')
local passed = math.max(0, now - (tonumber(kept[2]) or now))
local used = math.max(0, (tonumber(kept[1]) or 0) - passed * size / {MINUTE_S * 1000:.0f})
local taken = must or used + amount <= size + {ROUNDING}
if taken then
  used = math.max(0, used + amount)
  redis.call('HSET', KEYS[1], 'used', tostring(used), 'at', now)
  redis.call('PEXPIRE', KEYS[1], math.ceil(used * {MINUTE_S * 1000:.0f} / size) + 1000)
end
return {{taken and 1 or 0, tostring(used)}}
"""
_HOLD = f"""{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_RENEW = f"""{_NOW}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class RedisCounters:
    """Counters of every service that uses the same Redis.

    While it cannot be reached each service counts for itself: a key may then use its limits once at each of them,
    and nothing is refused for want of a counter.
    """

    def __init__(self, url: str, *, lease_s: float = LEASE_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is connected before the first call.

        Raises:
            ConfigError: the URL is none of Redis.
        """
        try:
            self._redis = Redis.from_url(
                url,
                socket_timeout=_TIMEOUT_S,
                socket_connect_timeout=_TIMEOUT_S,
                retry=Retry(NoBackoff(), 1),  # once: an idle connection may have been closed
            )
        except ValueError:  # its message may quote the URL, in which there may be a password
            raise ConfigError(
                "server.redis_url is no URL of Redis. Write redis://HOST:6379/0, rediss:// for TLS, or unix:///PATH."
            ) from None
        self._take = self._redis.register_script(_TAKE)
        self._hold = self._redis.register_script(_HOLD)
        self._renew = self._redis.register_script(_RENEW)
        self._lease_ms = round(lease_s * 1000)
        self._clock = clock
        self._alone = MemoryCounters(clock)
        self._down_until: float | None = None

    async def take(self, bucket: str, amount: int, size: int, *, must: bool = False) -> Level:
        """The level after `amount` was added, if that fits."""

        async def shared() -> Level:
            taken, used = await self._take([_PREFIX + bucket], [amount, size, int(must)])
            return Level(bool(taken), float(used))

        return await self._try(shared, lambda: self._alone.take(bucket, amount, size, must=must))

    async def hold(self, place: str, lease: str, n_places: int) -> bool:
        """Whether one of so many places is held now, for as long as it is renewed."""

        async def shared() -> bool:
            return bool(await self._hold([_PREFIX + place], [lease, n_places, self._lease_ms]))

        return await self._try(shared, lambda: self._alone.hold(place, lease, n_places))

    async def release(self, place: str, lease: str) -> None:
        """Nothing; the place is free, wherever it was held."""

        async def shared() -> None:
            await self._redis.zrem(_PREFIX + place, lease)

        await self._alone.release(place, lease)
        await self._try(shared, _nothing)

    async def renew(self, leases: Iterable[tuple[str, str]]) -> None:
        """Nothing; these places stay held for another while."""

        async def shared() -> None:
            for place, lease in leases:
                await self._renew([_PREFIX + place], [lease, self._lease_ms])

        await self._try(shared, _nothing)

    async def close(self) -> None:
        """Nothing; connections are closed."""
        await self._redis.aclose()

    async def _try(self, shared: Callable[[], Awaitable[T]], alone: Callable[[], Awaitable[T]]) -> T:
        """What Redis says; what we count ourselves while it is down."""
        if self._down_until is not None and self._clock() < self._down_until:
            return await alone()
        try:
            result = await shared()
        except (RedisError, OSError) as error:
            if self._down_until is None:  # the kind alone: a message may quote the URL
                log.warning("redis_lost", error=type(error).__name__, limits="counted by each service for itself")
            self._down_until = self._clock() + _PAUSE_S
            return await alone()
        if self._down_until is not None:
            log.info("redis_back", limits="shared again")
            self._down_until = None
        return result


async def _nothing() -> None:
    pass
