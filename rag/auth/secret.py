"""The data directory's secret: the one key from which all others are derived."""

import os
import secrets
from pathlib import Path

_KEY_BYTES = 32


def data_secret(data_dir: Path) -> bytes:
    """The secret, made on first use. It survives restarts: a warm engine stays warm, and links go on opening."""
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
    return file.read_bytes()
