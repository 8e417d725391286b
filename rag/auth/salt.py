"""Cache salts: whoever has the same one may reuse each other's keys and values."""

import hashlib
import hmac
from pathlib import Path

from rag.auth.secret import data_secret


class Salts:
    """Derives salts from access groups with a key that never leaves the data directory.

    Reuse shows in response times, so it could tell one group what another has asked; a salt that others cannot
    guess keeps groups apart even if one of them reaches the engine.
    """

    def __init__(self, data_dir: Path) -> None:
        """Read the key, or make it on first use."""
        self._key = data_secret(data_dir)

    def salt(self, sharers: str) -> str:
        """The salt of one set of sharers: 32 hex digits, as vLLM's `cache_salt` takes."""
        return hmac.new(self._key, sharers.encode(), hashlib.sha256).hexdigest()[:32]
