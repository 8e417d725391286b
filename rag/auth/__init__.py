"""Who asks, and whom they share a cache with."""

from rag.auth.salt import Salts

__all__ = ["Salts"]
