"""Who sends each request: the key is looked up before anything else is done for it."""

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.api.errors import respond
from rag.api.pages import PATHS, STATIC
from rag.api.sources.link import opened_by, signed_link
from rag.api.state import State, get_rooms
from rag.auth import NOBODY, Caller
from rag.errors import LinkInvalid, NotAuthenticated, RagError

# Probes ask for the first, browsers for the others: they hold no data and send no key.
_OPEN = {"/health", "/openapi.json"} | PATHS
_READY = "/ready"  # without a key it says nothing but its status
_CHALLENGE = {"www-authenticate": 'Bearer realm="prefixrag"'}


class Authenticate:
    """Puts the caller into each request's scope, or answers 401. Pure ASGI, so that it covers every route there is.

    Routes find the caller by `CallerDep` and state what they need by `requires`: rag/api/access.py.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Wrap `app`."""
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope["caller"] = NOBODY if _is_open(scope["path"]) else await self._caller(scope)
        except (NotAuthenticated, LinkInvalid) as error:
            await respond(error, scope, _CHALLENGE)(scope, receive, send)
            return
        except RagError as error:  # keys that cannot be read open nothing
            await respond(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        """Who sends the request.

        Raises:
            NotAuthenticated: nobody who may.
            LinkInvalid, LinkExpired: nobody who may, by a link to a source.
            CorpusError: the keys cannot be read.
        """
        state = self._state
        given = _bearer(Headers(scope=scope))
        token = given or ""
        if hmac.compare_digest(token.encode(), state.local_token.encode()):
            return Caller()  # a command on this machine, of whoever may read the data directory
        caller, exist = await asyncio.to_thread(self._look_up, token)
        if caller:
            return caller
        if not exist and not state.settings.server.needs_keys:
            return Caller()
        if given is None and scope["path"] == _READY:
            return NOBODY
        if given is None and (link := signed_link(scope)):
            return opened_by(link, get_rooms(Request(scope)).signer)
        raise NotAuthenticated

    def _look_up(self, token: str) -> tuple[Caller | None, bool]:
        keys = self._state.keys
        caller = keys.verify(token)
        return caller, caller is not None or keys.exist()


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(STATIC)


def _bearer(headers: Headers) -> str | None:
    """What the request authenticates with; None: with nothing."""
    given = headers.get("authorization")
    if given is None:
        return None
    kind, _, token = given.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
