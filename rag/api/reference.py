"""What every endpoint takes, read from its schemas: docs/openai.md is made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_PREFIX = "/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One row. `support` is supported, accepted (it has no effect) or refused."""

    name: str
    place: str  # body, query, header or form
    support: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route of OpenAI's API, or of ours below /v1."""

    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...]


def endpoints(app: FastAPI) -> list[Endpoint]:
    """Every route below /v1, in the order of the paths."""
    return sorted(
        (
            Endpoint(
                method=method,
                path=route.path,
                summary=(route.endpoint.__doc__ or "").strip().splitlines()[0],
                parameters=tuple(_parameters(route)),
            )
            for route in app.routes
            if isinstance(route, APIRoute) and route.path.startswith(_PREFIX)
            for method in route.methods
        ),
        key=lambda each: (each.path, each.method),
    )


def _parameters(route: APIRoute) -> Iterator[Parameter]:
    whole = get_flat_dependant(route.dependant)  # with what its dependencies take, such as pages
    for place, fields in (("query", whole.query_params), ("header", whole.header_params)):
        for field in fields:
            yield _row(field.alias, place, field.field_info)
    for field in route.dependant.body_params:
        model = _model(field.field_info.annotation)
        if model:
            yield from _fields(model, "", "body")
        else:
            yield _row(field.alias, "form", field.field_info)


def _fields(model: type[BaseModel], prefix: str, place: str) -> Iterator[Parameter]:
    """A model's fields, and behind each the fields of the models in it that say what is done with them."""
    for name, info in model.model_fields.items():
        row = _row(prefix + (info.alias or name), place, info)
        yield row
        inner = _model(info.annotation)
        if inner and row.support == "supported" and any(_mark(field) for field in inner.model_fields.values()):
            yield from _fields(inner, f"{row.name}.", place)


def _row(name: str, place: str, info: FieldInfo) -> Parameter:
    meaning = " ".join((info.description or "").split())
    return Parameter(name=name, place=place, support=_mark(info) or "supported", meaning=meaning)


def _mark(info: FieldInfo) -> str | None:
    extra = info.json_schema_extra
    return str(extra["support"]) if isinstance(extra, dict) and "support" in extra else None


# Any: an annotation is whatever stands behind a field's colon.
def _model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """The one model in an annotation, unions with None and other kinds of value looked through."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        models = [model for model in map(_model, get_args(annotation)) if model]
        return models[0] if len(models) == 1 else None
    return None
