"""Every failure as OpenAI's error object. The only place where an exception becomes a status."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from rag.api.html import error_page, wants_page
from rag.errors import HTTP_STATUS, AskError, EngineUnavailable, OverLimit, Overloaded, RagError

_METHOD_NOT_ALLOWED = 405
_SERVER_ERROR = 500
# Messages quote what was sent, which may be megabytes.
_LONGEST_MESSAGE = 1000
_LONGEST_PARAM = 200


def error_body(message: str, *, kind: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """The envelope. All four keys are always there."""
    message, param = _cut(message, _LONGEST_MESSAGE), _cut(param, _LONGEST_PARAM) if param else param
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def describe(error: RagError) -> tuple[int, dict[str, object], dict[str, str]]:
    """Status, body and headers of one of our errors."""
    status = next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), _SERVER_ERROR)
    kind = "invalid_request_error" if isinstance(error, AskError) else "server_error"
    param = error.param if isinstance(error, AskError) else None
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded | EngineUnavailable):
        headers["Retry-After"] = str(error.retry_after_s)
        kind = "requests" if isinstance(error, Overloaded) else kind
    elif isinstance(error, OverLimit):
        headers, kind = _wait(error.retry_after_s), error.kind
    return status, error_body(str(error), kind=kind, param=param, code=error.code), headers


def _wait(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {"x-should-retry": "false"}  # OpenAI's clients try again after every other 429
    return {"Retry-After": str(max(1, math.ceil(seconds))), "retry-after-ms": str(max(1, math.ceil(seconds * 1000)))}


def internal_error() -> dict[str, object]:
    """The body for a fault of ours. It says nothing of what happened inside."""
    return error_body(
        "The service failed at this request. Its log names the cause under the request's id.",
        kind="server_error",
        code="internal_error",
    )


def respond(error: RagError, scope: Scope, more_headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """The answer to a request that failed with one of our errors: an envelope, or a page where a browser wants one."""
    status, body, headers = describe(error)
    if wants_page(scope):
        response: Response = error_page(_cut(str(error), _LONGEST_MESSAGE), status)
    else:
        response = JSONResponse(body, status)
    response.headers.update({**headers, **more_headers})
    return response


def install(app: FastAPI) -> None:
    """Give `app` the handlers that make every failure an envelope."""
    app.add_exception_handler(RagError, _rag_error)
    app.add_exception_handler(RequestValidationError, _bad_body)
    app.add_exception_handler(HTTPException, _http_error)


async def _rag_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RagError):
        raise error
    return respond(error, request.scope)


async def _bad_body(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # Of the errors that the members of a union have, the one that got furthest is of the member that was meant.
    # Beside it, a name that is not known explains why another is missing.
    detail = max(error.errors(), key=lambda each: (len(each["loc"]), each["type"] == "extra_forbidden"))
    param = _param(detail["loc"], error.body, is_missing=detail["type"] == "missing")
    if detail["type"] == "extra_forbidden":
        code, message = "unknown_parameter", f"Unknown parameter: {param!r}. Leave it out or correct its name."
    elif detail["type"] == "missing":
        code, message = "missing_required_parameter", f"Missing required parameter: {param!r}. Send it."
    else:
        reason = detail["msg"].removeprefix("Value error, ")
        code, message = "invalid_value", f"Invalid value for {param or 'the body'!r}: {reason}."
    if wants_page(request.scope):
        return error_page(message, 400)
    return JSONResponse(error_body(message, kind="invalid_request_error", param=param, code=code), 400)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == _METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    message = f"{error.detail}: {request.method} {request.url.path}. GET /docs lists what there is."
    return JSONResponse(error_body(message, kind="invalid_request_error"), error.status_code, headers)


def _methods(request: Request) -> list[str]:
    """What the path of the request takes: a route knows only its own methods."""
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches({**request.scope, "method": "OPTIONS"})[0] is not Match.NONE
    ]
    methods = {method for route in routes for method in route.methods or ()}
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


def _param(location: tuple[int | str, ...], body: object, *, is_missing: bool) -> str | None:
    """`messages[0].content` from pydantic's path, which also has names of a union's members: those `body` has not."""
    if location[0] != "body":
        return str(location[-1])
    path = ""
    for place, part in enumerate(location[1:], 2):
        if isinstance(part, int):
            path += f"[{part}]"
            body = body[part] if isinstance(body, list) and part < len(body) else None
        elif isinstance(body, dict) and (part in body or (is_missing and place == len(location))):
            path += f".{part}" if path else part
            body = body.get(part)
    return path or None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
