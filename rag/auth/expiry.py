"""When a key is to expire, as people write it."""

import re
from datetime import UTC, datetime

from rag.errors import ConfigError

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d{1,9})([smhdw])")


def expiry(text: str, now: float) -> int:
    """Seconds since 1970 at which `30d`, `2026-12-31` or `2026-12-31T18:00` begins. Without a zone a time is UTC.

    Raises:
        ConfigError: it is none of these, or is over already.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        when = now + int(span[1]) * _UNIT_S[span[2]] if span else _date(text.strip())
        datetime.fromtimestamp(when, UTC)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            f"{text!r} is no time to expire at. Write 12h, 30d or 8w, or a date such as 2027-01-31 (UTC)."
        ) from None
    if when <= now:
        raise ConfigError(f"{text!r} is over already: the key would never open anything. Name a later time.")
    return int(when)


def iso(when: int) -> str:
    """The time in UTC, as 2026-12-31T00:00:00Z."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
