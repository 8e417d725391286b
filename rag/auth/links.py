"""Signed links: a browser sends no key, so the link itself shows who was given it and until when it opens."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from rag.auth.secret import data_secret
from rag.errors import LinkExpired, LinkInvalid

_CONTEXT = b"prefixrag source links 1"  # the key signs nothing else, and salts are made of other words
_SIGNATURE_BYTES = 16
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Signer:
    """Signs links with a key that is derived from the data directory's secret. Any thread may call."""

    def __init__(self, data_dir: Path, *, days: int, clock: Callable[[], float] = time.time) -> None:
        """days: for how long a link opens; 0: no link does. clock: Unix seconds. Nothing is read yet."""
        self._data_dir = data_dir
        self._days = days
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether links are signed."""
        return self._days > 0

    def last_day(self) -> str:
        """The last day, of UTC, on which a link of now opens. A day, so that a link does not tell when it was made."""
        return (self._today() + timedelta(days=self._days)).isoformat()

    def sign(self, words: Sequence[str]) -> str:
        """The signature of what a link names, the last day included."""
        message = json.dumps(list(words)).encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    def check(self, words: Sequence[str], last_day: str, signature: str) -> None:
        """Nothing, if the link opens today.

        Raises:
            LinkInvalid: we did not sign this, or links open nothing here.
            LinkExpired: its last day has passed, or lies further ahead than links now may be dated.
        """
        if not self.is_on:
            raise LinkInvalid(
                "Links open no sources here without an API key (server.source_link_days is 0). Send one as "
                "`Authorization: Bearer rag_...`."
            )
        if not hmac.compare_digest(self.sign(words).encode(), signature.encode("utf-8", "surrogatepass")):
            raise LinkInvalid(
                "The link is not as it was made: its signature does not hold. Open it from the answer again, whole, or "
                "send an API key."
            )
        if not _DAY.fullmatch(last_day) or not last_day >= self._today().isoformat():
            raise LinkExpired(
                f"The link was good until {last_day!r} (server.source_link_days). Ask again for a new one, or send an "
                "API key."
            )
        if last_day > self.last_day():
            raise LinkExpired(
                f"The link was made to open until {last_day!r}, and links now end after {self._days} days "
                "(server.source_link_days). Ask again for a new one, or send an API key."
            )

    @cached_property
    def _key(self) -> bytes:
        return hmac.new(data_secret(self._data_dir), _CONTEXT, hashlib.sha256).digest()

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()
