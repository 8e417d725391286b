"""The one place where a JSON body is read: bounded before a schema sees it."""

import math
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from pydantic_core import from_json

from rag.errors import InvalidRequest

MAX_MARKS = 500_000  # commas and opening brackets of a body: room for 2048 arrays that hold 300,000 token ids
MAX_KEYS = 4096  # of one object
_INTEGERS = range(-(2**63), 2**63)


class JsonRoute(APIRoute):
    """A route whose JSON body has passed `parse`. Every router that takes one has it as its `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # Any: as FastAPI has it
        """FastAPI's own handler, behind ours."""
        handle = super().get_route_handler()
        field = self.body_field
        if field is None or isinstance(field.field_info, params.Form):
            return handle
        may_be_empty = not field.field_info.is_required()

        async def checked(request: Request) -> Response:
            body = _JsonRequest(request.scope, request.receive)
            if await body.body() or not may_be_empty:
                # Read here, and not by FastAPI, which would hide what is wrong with it.
                await body.json()
            return await handle(body)

        return checked


class _JsonRequest(Request):
    """A request that parses its body by our rules, once."""

    _value: object = None

    async def json(self) -> object:
        """The body.

        Raises:
            InvalidRequest: as `parse`, or it is declared to be something else.
        """
        if self._value is None:
            _check_content_type(self.headers.get("content-type"))
            self._value = parse(await self.body())
        return self._value


def parse(body: bytes) -> dict[str, object]:
    """The object that `body` holds. A key that stands twice has its last value.

    Whatever passes is text that can be written as UTF-8, integers of 64 bits and finite numbers, nested less than 200
    deep (the parser's own bound): no schema, and nothing behind one, has to think of anything else.

    Raises:
        InvalidRequest: it is no such object, or more than the limits allow.
    """
    if not body.strip():
        raise InvalidRequest("The body is empty. Send a JSON object.", code="invalid_json")
    # Counted in the bytes, where it takes a millisecond; those within strings are tokens to a model, so no use of ours
    # has so many either.
    n_marks = body.count(b",") + body.count(b"[") + body.count(b"{")
    if n_marks > MAX_MARKS:
        raise InvalidRequest(
            f"The body has {n_marks} commas and opening brackets, the limit is {MAX_MARKS}. Send less in one request."
        )
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}. Send a JSON object.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body is {_NAMES[type(value)]}. Send a JSON object.", code="invalid_json")
    _check_values(value)
    return value


_NAMES = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _check_values(value: dict[str, object]) -> None:
    """Refuse what no field takes. Without recursion."""
    waiting: list[dict[str, object] | list[object]] = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict) and len(container) > MAX_KEYS:
            raise InvalidRequest(
                f"An object of the body has {len(container)} keys; {MAX_KEYS} are allowed. Send fewer."
            )
        for item in container.values() if isinstance(container, dict) else container:
            if isinstance(item, (dict, list)):
                waiting.append(item)
            elif isinstance(item, int):
                if item not in _INTEGERS:
                    raise InvalidRequest("The body has an integer that does not fit 64 bits. Send a smaller one.")
            elif isinstance(item, float) and not math.isfinite(item):
                raise InvalidRequest("The body has a number that is too large for a double. Send a smaller one.")


def _check_content_type(value: str | None) -> None:
    """Refuse what a form of a web page could send to a service on the reader's own machine."""
    message = Message()
    message["content-type"] = value or "none/none"
    subtype = message.get_content_subtype()
    if message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json")):
        return
    raise InvalidRequest(
        f"The content type is {value!r}. Send JSON, with the header Content-Type: application/json.",
        code="unsupported_content_type",
    )
