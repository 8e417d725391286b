"""The OpenAPI document: what FastAPI makes of the routes, and what holds for all of them."""

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from rag.api.wire import Json


class ErrorDetail(BaseModel):
    """What went wrong. All four keys are always there."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorDetail


# For FastAPI's `responses`: every route may give them, so none of its own 422.
ERRORS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": ErrorBody, "description": "The request is at fault; the message says what to do."},
    "5XX": {"model": ErrorBody, "description": "The service or its engine is at fault; a retry may help."},
}
_OPEN = {"/health"}  # answers without a key
_SAID = [{"role": "user", "content": "How long is the warranty?"}]
_EXAMPLES: dict[str, Json] = {  # of every JSON body, by its schema
    "ChatRequest": {"model": "MODEL", "messages": _SAID},
    "CompletionRequest": {"model": "MODEL", "prompt": "Once upon a time", "max_tokens": 16},
    "ResponseRequest": {"model": "MODEL", "input": "How long is the warranty?"},
    "InputTokensRequest": {"model": "MODEL", "input": "How long is the warranty?"},
    "EmbeddingRequest": {"model": "MODEL", "input": ["one text", "another"]},
    "CreateStore": {"name": "handbook"},
    "ModifyStore": {"name": "handbook", "metadata": {"team": "support"}},
    "AttachFile": {"file_id": "file-1", "attributes": {"year": 2026}},
    "UpdateFile": {"attributes": {"year": 2026}},
    "CreateBatch": {"file_ids": ["file-1", "file-2"]},
    "Search": {"query": "warranty", "filters": {"type": "gte", "key": "year", "value": 2025}},
    "WarmBody": {"collection": "default"},
    "NewEngine": {"url": "http://127.0.0.1:8001"},
    "OldEngine": {"engine": "http://127.0.0.1:8001", "wait_s": 60},
}


def install(app: FastAPI) -> None:
    """Give `app` its document, made at the first call."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to change it


def _document(app: FastAPI) -> Json:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="OpenAI's API over your own documents",
        description=app.description,
        routes=app.routes,
    )
    key = {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `rag keys create`. Until there is one, none is asked for.",
    }
    document.setdefault("components", {})["securitySchemes"] = {"key": key}
    document["security"] = [{"key": []}, {}]
    for path in _OPEN & document["paths"].keys():
        for operation in document["paths"][path].values():
            operation["security"] = []
    for path in document["paths"].values():
        for operation in path.values():
            if body := operation.get("requestBody", {}).get("content", {}).get("application/json"):
                body["example"] = _EXAMPLES[body["schema"]["$ref"].rpartition("/")[2]]
    return document
