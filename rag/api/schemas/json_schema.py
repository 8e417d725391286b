"""JSON Schemas that a request brings: of its answer, and of the arguments of functions."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Tool

_MAX_SCHEMA_BYTES = 64 * 1024
_MAX_SCHEMA_DEPTH = 64

SchemaName = Annotated[Text, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


def answer_format(
    kind: Literal["text", "json_object", "json_schema"], name: str | None, schema: Mapping[str, object] | None
) -> dict[str, object] | None:
    """The shape of an answer as engines are asked for it; None: any text."""
    if kind == "json_schema":
        return {"type": kind, "json_schema": {"name": name, "schema": schema}}
    return None if kind == "text" else {"type": kind}


def function_tool(name: str, description: str | None, parameters: dict[str, object] | None, param: str) -> Tool:
    """A function as the pipeline has it. param: of its parameters.

    Raises:
        InvalidRequest: its schema is none of an object, or over a limit.
    """
    schema = parameters or {}
    if schema and schema.get("type") != "object":
        raise InvalidRequest(
            f"{param} has the type {schema.get('type')!r}. Arguments are an object: send a JSON Schema with type = "
            "'object'.",
            param=param,
            code="invalid_value",
        )
    check_schema(schema, param)
    return Tool(name=name, description=description or "", parameters=schema)


def check_schema(schema: dict[str, object], param: str) -> None:
    """Refuse a JSON Schema that is too large for a grammar to be made of it.

    Raises:
        InvalidRequest: it is.
    """
    depth = _depth(schema)
    if depth > _MAX_SCHEMA_DEPTH or len(json.dumps(schema)) > _MAX_SCHEMA_BYTES:
        raise InvalidRequest(
            f"{param} is {depth} levels deep or has more than {_MAX_SCHEMA_BYTES} bytes; the limit is "
            f"{_MAX_SCHEMA_DEPTH} levels. Make it simpler.",
            param=param,
            code="invalid_value",
        )


def _depth(schema: object) -> int:
    deepest, level = 0, [schema]
    while level:
        deepest += 1
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return deepest
