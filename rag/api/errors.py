"""Every failure as OpenAI's error object. The only place where an exception becomes a status."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag.errors import HTTP_STATUS, AskError, EngineUnavailable, OverLimit, Overloaded, RagError

_SERVER_ERROR = 500


def error_body(message: str, *, kind: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """The envelope. All four keys are always there."""
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


def respond(error: RagError, more_headers: Mapping[str, str] = MappingProxyType({})) -> JSONResponse:
    """The answer to a request that failed with one of our errors."""
    status, body, headers = describe(error)
    return JSONResponse(body, status, {**headers, **more_headers})


def install(app: FastAPI) -> None:
    """Give `app` the handlers that make every failure an envelope."""
    app.add_exception_handler(RagError, _rag_error)
    app.add_exception_handler(RequestValidationError, _bad_body)
    app.add_exception_handler(HTTPException, _http_error)


async def _rag_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RagError):
        raise error
    return respond(error)


async def _bad_body(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    detail = error.errors()[0]
    param = _param(detail["loc"])
    if detail["type"] == "json_invalid":
        return JSONResponse(error_body("The body is not valid JSON.", kind="invalid_request_error"), 400)
    if detail["type"] == "extra_forbidden":
        code, message = "unknown_parameter", f"Unknown parameter: {param!r}. Leave it out or correct its name."
    elif detail["type"] == "missing":
        code, message = "missing_required_parameter", f"Missing required parameter: {param!r}."
    else:
        code, message = "invalid_value", f"Invalid value for {param or 'the body'!r}: {detail['msg']}."
    return JSONResponse(error_body(message, kind="invalid_request_error", param=param, code=code), 400)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{error.detail}: {request.method} {request.url.path}. GET /docs lists what there is."
    headers: Mapping[str, str] | None = error.headers
    return JSONResponse(error_body(message, kind="invalid_request_error"), error.status_code, dict(headers or {}))


def _param(location: tuple[int | str, ...]) -> str | None:
    """`messages[0].content` from pydantic's path."""
    path = ""
    for part in location[1:]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier():  # names of a union's members ("list[str]") are pydantic's own
            path += f".{part}" if path else part
    return path or None
