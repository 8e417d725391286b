"""Who asks, and whom they share a cache with."""

from rag.auth.caller import Caller, Scope
from rag.auth.salt import Salts

__all__ = ["Caller", "Salts", "Scope"]
