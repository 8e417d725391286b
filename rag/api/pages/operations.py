"""What the OpenAPI document says, as rows for the page of the API. A reader needs no script for it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ADDRESS = "http://127.0.0.1:8000"  # in examples; docs.js writes this page's own in its place
_FORM = ("-F purpose=assistants", "-F file=@handbook.pdf")  # the one body that is no JSON
_LIMITS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "up to {}"),
    ("exclusiveMaximum", "below {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "up to {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "up to {}"),
    ("pattern", "as {}"),
)
_LARGEST = 1e12
_SUPPORT = {"accepted": "No effect. ", "refused": "Refused. "}

Read = dict[str, Any]  # JSON, read by key


@dataclass(frozen=True, slots=True)
class Words:
    """Words of a kind of value. schema: which they name, by the id of its section; None: they name none."""

    text: str
    schema: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A parameter, or a field of a body. place: path, query, header or body."""

    name: str
    place: str
    kind: tuple[Words, ...]
    is_required: bool
    meaning: str
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a method does at a path, and how to ask for it."""

    id: str
    method: str
    path: str
    meaning: str
    rows: tuple[Row, ...]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object that fields name."""

    id: str
    name: str
    meaning: str
    rows: tuple[Row, ...]


def operations(document: Read) -> dict[str, list[Operation]]:
    """Every operation by its tag, in the document's order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            found.setdefault(told["tags"][0], []).append(_operation(method.upper(), path, told, document))
    return found


def shapes(document: Read) -> list[Shape]:
    """Every schema that has fields, by name."""
    schemas: Read = document["components"]["schemas"]
    made = [
        Shape(id=name, name=schema["title"], meaning=_line(schema), rows=tuple(_fields(schema, schemas)))
        for name, schema in schemas.items()
        if "properties" in schema
    ]
    return sorted(made, key=lambda shape: (shape.name, shape.id))


def _operation(method: str, path: str, told: Read, document: Read) -> Operation:
    schemas: Read = document["components"]["schemas"]
    rows = [
        _row(each["name"], each["in"], {**each["schema"], **each}, schemas, is_required=each.get("required", False))
        for each in told.get("parameters", ())
    ]
    content: Read = told.get("requestBody", {}).get("content", {})
    for body in content.values():
        rows += _fields(_resolved(body["schema"], schemas), schemas)
    words = [f"curl -s {ADDRESS}{path}"]
    if method != "GET" and not (method == "POST" and content):
        words.append(f"-X {method}")
    if told.get("security") != []:
        words.append('-H "Authorization: Bearer $RAG_API_KEY"')
    if "application/json" in content:
        example = json.dumps(content["application/json"]["example"])
        words += ['-H "Content-Type: application/json"', f"-d '{example}'"]
    elif content:
        words += _FORM
    return Operation(
        id=told["operationId"],
        method=method,
        path=path,
        meaning=told.get("description", ""),
        rows=tuple(rows),
        example=" \\\n  ".join(words),
    )


def _fields(schema: Read, schemas: Read) -> Iterator[Row]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        yield _row(name, "body", field, schemas, is_required=name in required)


def _row(name: str, place: str, schema: Read, schemas: Read, *, is_required: bool) -> Row:
    default = schema.get("default")
    return Row(
        name=name,
        place=place,
        kind=tuple(_kind(schema, schemas)),
        is_required=is_required,
        meaning=_SUPPORT.get(schema.get("support", ""), "") + _line(schema),
        default=None if default in (None, [], {}) else json.dumps(default, ensure_ascii=False),
    )


def _kind(schema: Read, schemas: Read) -> Iterator[Words]:
    """What values a schema allows, in words."""
    yield from _named(schema, schemas)
    for name, words in _LIMITS:
        if name in schema and (limit := _limit(schema[name])):
            yield Words(f", {words.format(limit)}")


def _named(schema: Read, schemas: Read) -> Iterator[Words]:
    match schema:
        case {"$ref": str(ref)}:
            key = ref.rpartition("/")[2]
            if "properties" in schemas[key]:
                yield Words(schemas[key]["title"], schema=key)
            else:
                yield from _kind(schemas[key], schemas)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            for number, choice in enumerate(each for each in choices if each.get("type") != "null"):
                if number:
                    yield Words(" or ")
                yield from _kind(choice, schemas)
        case {"enum": _} | {"const": _}:
            yield Words(" or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])))
        case {"type": "array"}:
            yield Words("list of ")
            yield from _kind(schema.get("items", {}), schemas)
        case {"type": "object", "properties": dict(fields)}:
            yield Words(f"object with {', '.join(fields)}")
        case {"format": "binary"}:
            yield Words("file")
        case _:
            yield Words(schema.get("type", "anything"))


def _limit(told: float | str) -> str | None:
    """A limit as people write it; None: it is so large that nobody meets it."""
    if isinstance(told, str):
        return told
    if abs(told) > _LARGEST:
        return None
    return f"{told:,.0f}" if float(told).is_integer() else f"{told:g}"


def _resolved(schema: Read, schemas: Read) -> Read:
    found: Read = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _line(schema: Read) -> str:
    return " ".join(schema.get("description", "").split())
