"""Limits by key: each request is admitted, measured and settled, and its answer says what is left."""

from dataclasses import replace

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.errors import respond
from rag.api.state import State
from rag.auth import KeyMeter
from rag.errors import OverLimit


class Metering:
    """Stands behind `Authenticate`. Pure ASGI: a request is under way until the last byte of its stream has gone.

    Routes reserve and spend tokens by `caller.meter`.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Wrap `app`."""
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        caller = scope.get("caller")
        if caller is None or not caller.limits:
            await self._app(scope, receive, send)
            return
        meter = self._state.limiter.meter(caller.key_id, caller.limits)
        try:
            await meter.admit()
        except OverLimit as error:
            await respond(error, scope, meter.headers())(scope, receive, send)
            return
        scope["caller"] = replace(caller, meter=meter)
        try:
            await self._app(scope, receive, _telling(meter, send))
        finally:
            await meter.close()


def _telling(meter: KeyMeter, send: Send) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if not headers.get("content-type", "").startswith("text/event-stream"):
                await meter.settle()  # the answer is complete
            headers.update(meter.headers())
        await send(message)

    return tell
