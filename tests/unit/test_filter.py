"""Filters on attributes: what they leave, and what is no filter."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidRequest
from rag.retrieve.filter import Compound, Filter, matches, parse_filter

KEYS = st.sampled_from(["year", "kind", "draft"])
SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from(["a", "b", ""])
)
ATTRIBUTES = st.dictionaries(KEYS, SCALARS)
ORDERED = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", ""]))
EQUALITIES = st.builds(lambda t, k, v: {"type": t, "key": k, "value": v}, st.sampled_from(["eq", "ne"]), KEYS, SCALARS)
ORDERS = st.builds(
    lambda t, k, v: {"type": t, "key": k, "value": v}, st.sampled_from(["gt", "gte", "lt", "lte"]), KEYS, ORDERED
)
MEMBERSHIPS = st.builds(
    lambda t, k, v: {"type": t, "key": k, "value": v},
    st.sampled_from(["in", "nin"]),
    KEYS,
    st.lists(SCALARS, max_size=4),
)
COMPARISONS = st.one_of(EQUALITIES, ORDERS, MEMBERSHIPS)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.builds(
        lambda t, fs: {"type": t, "filters": fs},
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "key", "value", "filters", "other"]), inner | st.just("and"), max_size=4
        )
    ),
    max_leaves=10,
)


def found(condition: Any, **attributes: Any) -> bool:
    return matches(parse_filter(condition, param="filters"), attributes)


def as_json(condition: Filter) -> dict[str, Any]:
    if isinstance(condition, Compound):
        return {"type": condition.type, "filters": [as_json(each) for each in condition.filters]}
    value = condition.value
    return {"type": condition.type, "key": condition.key, "value": list(value) if isinstance(value, tuple) else value}


@given(FILTERS)
def test_a_filter_is_read_whole(condition: dict[str, Any]) -> None:
    assert as_json(parse_filter(condition, param="filters")) == condition


@given(st.lists(FILTERS, min_size=1, max_size=3), ATTRIBUTES)
def test_and_needs_all_and_or_needs_one(conditions: list[dict[str, Any]], attributes: dict[str, Any]) -> None:
    each = [found(condition, **attributes) for condition in conditions]
    assert found({"type": "and", "filters": conditions}, **attributes) == all(each)
    assert found({"type": "or", "filters": conditions}, **attributes) == any(each)


@given(KEYS, SCALARS, ATTRIBUTES)
def test_ne_and_nin_are_the_opposites_of_eq_and_in(key: str, value: Any, attributes: dict[str, Any]) -> None:
    equal = found({"type": "eq", "key": key, "value": value}, **attributes)
    assert equal != found({"type": "ne", "key": key, "value": value}, **attributes)
    assert equal == found({"type": "in", "key": key, "value": [value]}, **attributes)
    assert equal != found({"type": "nin", "key": key, "value": [value]}, **attributes)


@given(KEYS, ORDERED, ATTRIBUTES)
def test_orders_agree_with_each_other_and_with_equality(key: str, value: Any, attributes: dict[str, Any]) -> None:
    gt, gte, lt, lte, eq = (
        found({"type": kind, "key": key, "value": value}, **attributes) for kind in ("gt", "gte", "lt", "lte", "eq")
    )
    assert gte == (gt or (eq and gte))
    assert lte == (lt or (eq and lte))
    assert eq == (gte and lte)
    assert not (gt and lt)


def place_of_error(value: Any) -> str | None:
    try:
        parse_filter(value, param="filters")
    except InvalidRequest as error:
        return error.param or ""
    return None


@given(JSON)
def test_whatever_is_no_filter_is_refused_with_its_place(value: Any) -> None:
    assert (place_of_error(value) or "filters").startswith("filters")


@pytest.mark.parametrize(
    ("condition", "attributes", "expected"),
    [
        ({"type": "eq", "key": "n", "value": True}, {"n": 1}, False),
        ({"type": "eq", "key": "n", "value": 1}, {"n": True}, False),
        ({"type": "eq", "key": "n", "value": 1}, {"n": 1.0}, True),
        ({"type": "gt", "key": "n", "value": "1"}, {"n": 2}, False),
        ({"type": "gt", "key": "n", "value": 1}, {"n": True}, False),
        ({"type": "lt", "key": "n", "value": "b"}, {"n": "a"}, True),
        ({"type": "in", "key": "n", "value": []}, {"n": 1}, False),
        ({"type": "nin", "key": "n", "value": [1, "a"]}, {}, True),
    ],
)
def test_types_are_json_types(condition: Any, attributes: dict[str, Any], expected: bool) -> None:
    assert found(condition, **attributes) == expected


@pytest.mark.parametrize(
    ("condition", "param"),
    [
        (None, "filters"),
        ({}, "filters.type"),
        ({"type": "like", "key": "a", "value": "b"}, "filters.type"),
        ({"type": ["eq"], "key": "a", "value": "b"}, "filters.type"),
        ({"type": "eq", "value": "b"}, "filters.key"),
        ({"type": "eq", "key": 1, "value": "b"}, "filters.key"),
        ({"type": "eq", "key": "a"}, "filters.value"),
        ({"type": "eq", "key": "a", "value": math.nan}, "filters.value"),
        ({"type": "eq", "key": "a", "value": ["b"]}, "filters.value"),
        ({"type": "gt", "key": "a", "value": True}, "filters.value"),
        ({"type": "in", "key": "a", "value": "b"}, "filters.value"),
        ({"type": "in", "key": "a", "value": [None]}, "filters.value"),
        ({"type": "eq", "key": "a", "value": "b", "filters": []}, "filters.filters"),
        ({"type": "and", "filters": []}, "filters.filters"),
        ({"type": "or", "filters": [{"type": "eq", "key": "a", "value": 1}, 7]}, "filters.filters[1]"),
    ],
)
def test_a_wrong_filter_is_refused_by_the_place_that_is_wrong(condition: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_filter(condition, param="filters")
    assert caught.value.param == param


def test_depth_and_size_are_bounded() -> None:
    leaf: Any = {"type": "eq", "key": "a", "value": 1}
    deep = json.loads('{"type": "and", "filters": [' * 8 + json.dumps(leaf) + "]}" * 8)
    with pytest.raises(InvalidRequest, match="nested deeper"):
        parse_filter(deep, param="filters")
    parse_filter(deep["filters"][0], param="filters")
    with pytest.raises(InvalidRequest, match="256 conditions"):
        parse_filter({"type": "or", "filters": [leaf] * 256}, param="filters")
