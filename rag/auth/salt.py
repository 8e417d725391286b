"""Cache salts: whoever has the same one may reuse each other's keys and values."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

_KEY_BYTES = 32


class Salts:
    """Derives salts from access groups with a key that never leaves the data directory.

    Reuse shows in response times, so it could tell one group what another has asked; a salt that others cannot
    guess keeps groups apart even if one of them reaches the engine.
    """

    def __init__(self, data_dir: Path) -> None:
        """Read the key, or make it on first use. The key survives restarts, so a warm engine stays warm."""
        file = data_dir / "salt.key"
        if not file.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            temporary = data_dir / f".salt-{secrets.token_hex(4)}"
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(_KEY_BYTES))
            try:
                os.link(temporary, file)  # unlike a rename this keeps a key that another process made meanwhile
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        self._key = file.read_bytes()

    def salt(self, sharers: str) -> str:
        """The salt of one set of sharers: 32 hex digits, as vLLM's `cache_salt` takes."""
        return hmac.new(self._key, sharers.encode(), hashlib.sha256).hexdigest()[:32]
