"""Who asks, what they may, how much, and whom they share a cache with."""

from rag.auth.caller import NOBODY, Caller, Scope
from rag.auth.expiry import expiry, iso
from rag.auth.keys import DEFAULT_SCOPES, Keys, KeyState, caller_of
from rag.auth.salt import Salts

__all__ = [
    "DEFAULT_SCOPES",
    "NOBODY",
    "Caller",
    "KeyState",
    "Keys",
    "Salts",
    "Scope",
    "caller_of",
    "expiry",
    "iso",
]
