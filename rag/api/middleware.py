"""What happens to every request and answer: an id, a size limit, a count, and a last resort."""

import secrets
import time
import traceback
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.errors import describe, internal_error
from rag.api.state import State
from rag.errors import TooLarge
from rag.settings import ServerSettings
from rag.telemetry import request_span

_LONGEST_ID = 128
UPLOAD_PATH = "/v1/files"
# On every answer that has no stricter ones of its own: nothing of it runs, nobody frames it, it is what it says, and
# neither a browser nor anybody between keeps it.
_SECURE = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",  # the same for browsers that do not know the policy
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address of a source's page may be what opens it
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_FORM_BYTES = 64 * 1024  # what stands around an uploaded file

log = structlog.get_logger()


class Frame:
    """The outermost frame. Pure ASGI, so that streams pass through it unbuffered."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Wrap `app`."""
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with request_span(scope["method"], Headers(scope=scope)) as span:
            answer = await self._answer(scope, receive, send)
            if span.is_recording():
                route = _route(scope)
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.route": route,
                        "http.response.status_code": answer.status,
                        "rag.request_id": answer.request_id,
                    }
                )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> "_Answer":
        if scope["method"] == "HEAD":
            # As GET; the server, which has the scope as it was, leaves the body out.
            scope = {**scope, "method": "GET"}
        answer = _Answer(send, _request_id(Headers(scope=scope)))
        scope["request_id"] = answer.request_id
        scope["asked"] = []  # pools of engines that owe it an answer: rag/api/names.py
        limit = _limit(scope, self._state.settings.server)
        try:
            limit.check(int(Headers(scope=scope).get("content-length", "0") or 0))
            await self._app(scope, _limited(receive, limit), answer.send)
        except TooLarge as error:
            status, body, headers = describe(error)
            await answer.fail(JSONResponse(body, status, headers), scope, receive)
        except ClientDisconnect:
            log.info("client_left", request_id=answer.request_id)
        except Exception as error:  # noqa: BLE001  # the top frame: no request may end without an answer
            # The message of an unforeseen error may quote a prompt, so only its kind and place are written down.
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error(
                "request_failed",
                request_id=answer.request_id,
                error=type(error).__name__,
                at=f"{place.filename}:{place.lineno}",
            )
            await answer.fail(JSONResponse(internal_error(), 500), scope, receive)
        finally:
            for pool in scope["asked"]:
                pool.n_asking -= 1
            self._count(scope, answer.status)
        return answer

    def _count(self, scope: Scope, status: int) -> None:
        if self._state.rooms:
            self._state.rooms.metrics.requests.labels(_route(scope), status).inc()


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


class _Answer:
    """Adds the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._start = time.perf_counter()
        self.request_id = request_id
        self.status = 0  # 0: the client left before an answer began

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _SECURE.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.request_id
            headers["openai-version"] = "2020-10-01"
            headers["openai-processing-ms"] = str(round((time.perf_counter() - self._start) * 1000))
        await self._send(message)

    async def fail(self, response: JSONResponse, scope: Scope, receive: Receive) -> None:
        if not self.status:  # otherwise the answer is under way, and ends here
            await response(scope, receive, self.send)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    if 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
        return given
    return f"req_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long a body may be, and by which setting."""

    n_bytes: int
    setting: str

    def check(self, n_bytes: int) -> None:
        if n_bytes > self.n_bytes:
            raise TooLarge(
                f"The body has {n_bytes} bytes or more, the limit is {self.n_bytes}. Send less, or raise "
                f"server.{self.setting}."
            )


def _limit(scope: Scope, server: ServerSettings) -> _Limit:
    if scope["method"] == "POST" and scope["path"] == UPLOAD_PATH:
        return _Limit(server.max_upload_bytes + _FORM_BYTES, "max_upload_bytes")
    return _Limit(server.max_body_bytes, "max_body_bytes")


def _limited(receive: Receive, limit: _Limit) -> Receive:
    n_bytes = 0

    async def limited() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        limit.check(n_bytes)
        return message

    return limited
