"""API keys: made once, shown once, recognised by a hash."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from rag.auth.caller import Caller, Scope
from rag.errors import ConfigError, NotFound
from rag.store import Grant, KeyLimits, KeyRecord, KeyStore
from rag.types import DEFAULT_GROUP

_ID_BYTES = 6
_SECRET_BYTES = 32  # 256 random bits: nothing to guess, so a fast hash protects them
_NO_DIGEST = bytes(32)  # what a secret is compared with when there is no such key
_NAME_CHARS = 256
_NO_LIMITS = KeyLimits()

DEFAULT_SCOPES = (Scope.CHAT, Scope.EMBEDDINGS, Scope.INGEST)


class KeyState(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Keys:
    """Makes, recognises and revokes keys. Every call reads the store, so what another process did counts at once."""

    def __init__(self, store: KeyStore, *, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since 1970."""
        self._store = store
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        group: str = DEFAULT_GROUP,
        collections: Sequence[Grant] | None = None,
        scopes: Sequence[Scope] = DEFAULT_SCOPES,
        limits: KeyLimits = _NO_LIMITS,
        expires_at: int | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key as it is stored, and the key itself, which nobody can find out again.

        Raises:
            ConfigError: the name or the group cannot be one, or nothing would be allowed.
        """
        for what, word in (("name", name), ("group", group)):
            if not word.strip() or len(word) > _NAME_CHARS or not word.isprintable():
                raise ConfigError(f"A key's {what} cannot be {word!r}. Use 1 to {_NAME_CHARS} printable characters.")
        if not scopes:
            raise ConfigError(f"A key without scopes opens nothing. Name some of: {', '.join(Scope)}.")
        secret = secrets.token_hex(_SECRET_BYTES)
        record = KeyRecord(
            id=secrets.token_hex(_ID_BYTES),
            name=name,
            group=group,
            secret_sha256=_digest(secret),
            collections=None if collections is None else tuple(collections),
            scopes=tuple(scope.value for scope in Scope if scope in scopes),
            limits=limits,
            expires_at=expires_at,
            created=int(self._clock()),
        )
        self._store.add(record)
        return record, f"rag_{record.id}_{secret}"

    def verify(self, token: str) -> Caller | None:
        """Who sent `token`; None when it is no key, is wrong, expired or revoked. Blocks.

        A wrong secret takes the same work whether or not there is a key of this id.
        """
        key_id, secret = _parts(token)
        if not hmac.compare_digest(_digest(secret), self._store.digest(key_id) or _NO_DIGEST):
            return None
        record = self._store.find(key_id)
        return caller_of(record) if record and self.state(record) is KeyState.ACTIVE else None

    def state(self, record: KeyRecord) -> KeyState:
        """Whether the key opens anything now."""
        if record.revoked is not None:
            return KeyState.REVOKED
        is_over = record.expires_at is not None and record.expires_at <= self._clock()
        return KeyState.EXPIRED if is_over else KeyState.ACTIVE

    def exist(self) -> bool:
        """Whether there ever was a key. From then on requests need one."""
        return self._store.has_any()

    def may_read(self, group: str, collection_id: str, name: str, owner: str) -> bool:
        """Whether a key of `group` that is active now reads the collection of this id and name, which is `owner`'s."""
        callers = (caller_of(record) for record in self.all() if self.state(record) is KeyState.ACTIVE)
        return any(
            caller.group == group and caller.may(Scope.CHAT) and caller.may_see(collection_id, name, owner)
            for caller in callers
        )

    def all(self) -> tuple[KeyRecord, ...]:
        """Every key that was ever made, the oldest first."""
        return self._store.all()

    def revoke(self, id_or_key: str) -> KeyRecord:
        """The key as it was until now; from now on it opens nothing. Whoever finds a leaked key may pass it whole.

        Raises:
            NotFound: there is no such key.
        """
        key_id = _parts(id_or_key)[0] or id_or_key
        record = self._store.find(key_id)
        if record is None:
            raise NotFound(f"There is no key {key_id!r}. `rag keys list` prints the ids.", code="key_not_found")
        self._store.revoke(key_id, int(self._clock()))
        return record

    def close(self) -> None:
        """Nothing; the store is closed."""
        self._store.close()


def caller_of(record: KeyRecord) -> Caller:
    """Whoever holds the key, and what they may."""
    grants = record.collections
    return Caller(
        group=record.group,
        key_id=record.id,
        scopes=frozenset(map(Scope, record.scopes)),
        collections=None
        if grants is None
        else frozenset(word for each in grants for word in (each.id, each.name) if word),
        limits=record.limits,
    )


def _parts(token: str) -> tuple[str, str]:
    """Id and secret; of what is no key, both empty."""
    kind, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if kind == "rag" and secret else ("", "")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
