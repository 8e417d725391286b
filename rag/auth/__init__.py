"""Who asks, what they may, how much, and whom they share a cache with."""

from rag.auth.caller import NOBODY, Caller, Scope
from rag.auth.counters import Counters, Level, MemoryCounters
from rag.auth.expiry import expiry, iso
from rag.auth.keys import DEFAULT_SCOPES, Keys, KeyState, caller_of
from rag.auth.limits import KeyMeter, Limiter
from rag.auth.links import Signer
from rag.auth.salt import Salts
from rag.auth.shared import RedisCounters

__all__ = [
    "DEFAULT_SCOPES",
    "NOBODY",
    "Caller",
    "Counters",
    "KeyMeter",
    "KeyState",
    "Keys",
    "Level",
    "Limiter",
    "MemoryCounters",
    "RedisCounters",
    "Salts",
    "Scope",
    "Signer",
    "caller_of",
    "expiry",
    "iso",
]
