"""Which documents a search may find: conditions on their attributes, in OpenAI's JSON. Pure.

    {"type": "eq", "key": "year", "value": 2026}                  eq ne gt gte lt lte; in nin with a list
    {"type": "and", "filters": [{...}, {"type": "or", "filters": [{...}]}]}

`ne` and `nin` are the opposites of `eq` and `in`, so they are true of a document without the attribute; the others
are not. Text is compared with text, numbers with numbers; true and false only for equality.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast, get_args

from rag.errors import InvalidRequest

Scalar = str | int | float | bool
Attributes = Mapping[str, Scalar]

_Equality = Literal["eq", "ne"]
_Order = Literal["gt", "gte", "lt", "lte"]
_Membership = Literal["in", "nin"]
_Operator = _Equality | _Order | _Membership
_Joint = Literal["and", "or"]

_MAX_DEPTH = 8
_MAX_CONDITIONS = 256
_MAX_VALUES = 1000
# Any: two texts or two numbers, as `matches` has made sure.
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A condition on one attribute. `value` is a tuple for `in` and `nin`."""

    type: _Operator
    key: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compound:
    """Several conditions, of which all or any must hold."""

    type: _Joint
    filters: tuple["Filter", ...]


Filter = Comparison | Compound


def parse_filter(value: object, *, param: str) -> Filter:
    """The filter that a JSON value describes.

    param: the field that it came in, for errors.

    Raises:
        InvalidRequest: it is none; the error names the place in it.
    """
    return _Parser().parse(value, param, depth=1)


def matches(condition: Filter, attributes: Attributes) -> bool:
    """Whether a document with these attributes may be found."""
    if isinstance(condition, Compound):
        joined = all if condition.type == "and" else any
        return joined(matches(each, attributes) for each in condition.filters)
    found, value = attributes.get(condition.key), condition.value
    if isinstance(value, tuple):
        return any(_equal(found, each) for each in value) == (condition.type == "in")
    if condition.type in ("eq", "ne"):
        return _equal(found, value) == (condition.type == "eq")
    is_comparable = (isinstance(found, str) and isinstance(value, str)) or (_is_number(found) and _is_number(value))
    return is_comparable and _ORDERS[condition.type](found, value)


def is_scalar(value: object) -> TypeGuard[Scalar]:
    """Whether a JSON value can be an attribute's: text, a finite number, true or false."""
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


class _Parser:
    """Counts conditions over one whole filter."""

    def __init__(self) -> None:
        self._n_conditions = 0

    def parse(self, value: object, place: str, *, depth: int) -> Filter:
        self._n_conditions += 1
        if depth > _MAX_DEPTH:
            raise InvalidRequest(f"{place} is nested deeper than {_MAX_DEPTH} levels. Make it flatter.", param=place)
        if self._n_conditions > _MAX_CONDITIONS:
            raise InvalidRequest(
                f"The filter has more than {_MAX_CONDITIONS} conditions. Use `in` with a list of values.", param=place
            )
        if not isinstance(value, dict):
            raise _wrong(place, value, 'an object with "type"')
        kind = value.get("type")
        if kind in get_args(_Joint):
            return self._compound(value, cast("_Joint", kind), place, depth)
        if kind in (*get_args(_Equality), *get_args(_Order), *get_args(_Membership)):
            return _comparison(value, cast("_Operator", kind), place)
        raise _wrong(f"{place}.type", kind, "one of eq, ne, gt, gte, lt, lte, in, nin, and, or")

    def _compound(self, value: Mapping[str, object], kind: _Joint, place: str, depth: int) -> Compound:
        _check_keys(value, {"type", "filters"}, place)
        filters = value.get("filters")
        if not isinstance(filters, list) or not filters:
            raise _wrong(f"{place}.filters", filters, "a list of at least one filter")
        parsed = (self.parse(each, f"{place}.filters[{index}]", depth=depth + 1) for index, each in enumerate(filters))
        return Compound(type=kind, filters=tuple(parsed))


def _comparison(value: Mapping[str, object], kind: _Operator, place: str) -> Comparison:
    _check_keys(value, {"type", "key", "value"}, place)
    key, wanted = value.get("key"), value.get("value")
    if not isinstance(key, str) or not key:
        raise _wrong(f"{place}.key", key, "the name of an attribute")
    if kind in get_args(_Membership):
        if not isinstance(wanted, list) or len(wanted) > _MAX_VALUES or not all(map(is_scalar, wanted)):
            raise _wrong(f"{place}.value", wanted, f"a list of at most {_MAX_VALUES} texts, numbers or booleans")
        return Comparison(type=kind, key=key, value=tuple(wanted))
    if not is_scalar(wanted) or (kind in _ORDERS and isinstance(wanted, bool)):
        what = "a text or a number" if kind in _ORDERS else "a text, a number, true or false"
        raise _wrong(f"{place}.value", wanted, what)
    return Comparison(type=kind, key=key, value=wanted)


def _check_keys(value: Mapping[str, object], known: set[str], place: str) -> None:
    unknown = next((key for key in value if key not in known), None)
    if unknown is not None:
        raise InvalidRequest(
            f"Unknown parameter: {f'{place}.{unknown}'!r}. Leave it out or correct its name.",
            param=f"{place}.{unknown}",
            code="unknown_parameter",
        )


def _equal(found: object, value: Scalar) -> bool:
    # In Python true equals 1; in JSON it does not.
    return isinstance(found, bool) == isinstance(value, bool) and found == value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(place: str, value: object, expected: str) -> InvalidRequest:
    shown = repr(value)
    return InvalidRequest(
        f"Invalid value for {place!r}: {shown[:100]}{'…' if len(shown) > 100 else ''}. It must be {expected}.",
        param=place,
        code="invalid_value",
    )
