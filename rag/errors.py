"""Every error that this package raises on purpose.

    RagError
    ├─ AskError             400/401/403/404/413/429   the caller can fix it
    │  ├─ InvalidRequest    400
    │  ├─ ContextTooLong    400                   code context_length_exceeded
    │  ├─ NotAuthenticated  401                   code invalid_api_key
    │  ├─ LinkInvalid       401                   code link_invalid
    │  ├─ NotAllowed        403                   code insufficient_permissions
    │  ├─ LinkExpired       403                   code link_expired
    │  ├─ NotFound          404
    │  ├─ TooLarge          413
    │  ├─ OverLimit         429                   a limit of the key; has kind and retry_after_s
    │  └─ Overloaded        429                   queue full; has retry_after_s
    ├─ CorpusError          503, exit 1           ingest or rebuild fixes it
    │  ├─ CollectionBusy    503                   another writer is at work; waiting fixes it
    │  └─ StorageUnavailable 503                  shared storage refuses or does not answer
    ├─ EngineError          502, exit 3
    │  ├─ EngineUnavailable 503                   starting, down or unreachable; has retry_after_s
    │  │  └─ EngineBusy     503                   up, and takes no more for the moment
    │  └─ EngineTimeout     504
    └─ ConfigError          exit 2                wrong usage or configuration; never reaches HTTP

A message has three parts: what happened, the value, what to do. Callers write

    except RagError as error:
        print(error)
"""

from typing import Literal


class RagError(Exception):
    """The base of all errors of this package."""

    code: str | None = None
    exit_code = 1


class AskError(RagError):
    """The request is at fault. `param` names the field, if one is."""

    exit_code = 2

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        """Keep `param` and, when given, a `code` that is more exact than the class's."""
        super().__init__(message)
        self.param = param
        self.code = code or type(self).code


class InvalidRequest(AskError):
    """A field is missing, malformed or asks for something that is not supported."""


class ContextTooLong(AskError):
    """The prompt cannot fit the model's window."""

    code = "context_length_exceeded"


class NotAuthenticated(AskError):
    """No key was sent, or one that opens nothing. The message is the same for all."""

    code = "invalid_api_key"

    def __init__(self) -> None:
        """Say it in the one way."""
        super().__init__(
            "No valid API key was sent. Send one as `Authorization: Bearer rag_...`; `rag keys create --name NAME` "
            "makes one, `rag keys list` tells which have been revoked or have expired."
        )


class NotAllowed(AskError):
    """The key is valid and lacks a scope."""

    code = "insufficient_permissions"


class LinkInvalid(AskError):
    """A link to a source that we did not sign, or that opens nothing without a key."""

    code = "link_invalid"


class LinkExpired(AskError):
    """A link to a source whose last day has passed."""

    code = "link_expired"


class NotFound(AskError):
    """A model, collection, chunk or route that does not exist."""

    exit_code = 1


class TooLarge(AskError):
    """The body is over a limit."""

    code = "request_too_large"


class Overloaded(AskError):
    """A queue is full; the same request may pass after `retry_after_s`."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        """Keep the whole seconds after which a retry makes sense."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverLimit(AskError):
    """The key has used what it may. Without `retry_after_s` the request would never pass."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, kind: Literal["requests", "tokens"], retry_after_s: float | None) -> None:
        """Keep which limit it is, and the seconds after which a retry makes sense."""
        super().__init__(message)
        self.kind = kind
        self.retry_after_s = retry_after_s


class CorpusError(RagError):
    """A collection's files are missing, damaged, or made by another model or version."""

    code = "corpus_unavailable"


class CollectionBusy(CorpusError):
    """Another writer is at work on the collection."""

    code = "collection_busy"


class StorageUnavailable(CorpusError):
    """Shared storage refuses, does not answer, or holds something else than was put there."""

    code = "storage_unavailable"


class EngineError(RagError):
    """The engine refused or broke a request."""

    code = "engine_error"
    exit_code = 3


class EngineUnavailable(EngineError):
    """The engine is starting, down or not reachable."""

    code = "engine_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        """Keep the whole seconds after which a retry makes sense."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineBusy(EngineUnavailable):
    """The engine is up and takes no more requests for the moment."""


class EngineTimeout(EngineError):
    """The engine did not answer within the request's deadline."""

    code = "engine_timeout"


class ConfigError(RagError):
    """A setting, an option or a path is wrong."""

    code = "config_error"
    exit_code = 2


HTTP_STATUS: dict[type[RagError], int] = {
    InvalidRequest: 400,
    ContextTooLong: 400,
    NotAuthenticated: 401,
    LinkInvalid: 401,
    NotAllowed: 403,
    LinkExpired: 403,
    NotFound: 404,
    TooLarge: 413,
    OverLimit: 429,
    Overloaded: 429,
    CorpusError: 503,
    EngineError: 502,
    EngineUnavailable: 503,
    EngineTimeout: 504,
}
