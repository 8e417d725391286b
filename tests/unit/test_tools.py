"""Calls in a model's text: found whatever pieces it comes in, and nothing else taken for one."""

import itertools
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.tools import STYLES, CallParser, calls_schema
from rag.types import CallDelta, Tool

NAMES = frozenset({"weather", "time"})


def read(style: str, pieces: list[str], **options) -> tuple[str, list[tuple[str, str]]]:
    """The text and the calls, each as name and arguments."""
    ids = map(str, itertools.count())
    parser = CallParser(STYLES[style], **{"names": NAMES, "new_id": lambda: next(ids), **options})
    text, calls = "", []
    for found in [part for piece in pieces for part in parser.feed(piece)] + parser.finish():
        if isinstance(found, str):
            text += found
            continue
        if found.id is not None:
            assert found.index == len(calls)  # an index is new with its id
            calls.append((found.name, ""))
        else:
            assert found.name is None
            assert found.arguments
        name, arguments = calls[found.index]
        calls[found.index] = (name, arguments + found.arguments)
    return text, calls


WEATHER = '{"name": "weather", "arguments": {"city": "Bergen", "days": [1, 2]}}'
ARGUMENTS = '{"city": "Bergen", "days": [1, 2]}'


@pytest.mark.parametrize(
    ("said", "text", "calls"),
    [
        ("Just words.", "Just words.", []),
        (f"<tool_call>\n{WEATHER}\n</tool_call>", "", [("weather", ARGUMENTS)]),
        (f"Let me see.\n\n<tool_call>{WEATHER}</tool_call>\n", "Let me see.", [("weather", ARGUMENTS)]),
        (
            f'<tool_call>{WEATHER}</tool_call>\n<tool_call>{{"name": "time"}}</tool_call>',
            "",
            [("weather", ARGUMENTS), ("time", "{}")],
        ),
        (f"<tool_call>{WEATHER}</tool_call> That is all.", " That is all.", [("weather", ARGUMENTS)]),
        ('<tool_call>{"arguments": {"a": 1}, "name": "time"}</tool_call>', "", [("time", '{"a": 1}')]),
        ('<tool_call>{"name": "time", "arguments": "{\\"a\\": 1}"}</tool_call>', "", [("time", '{"a": 1}')]),
        ('<tool_call>{"name": "time", "arguments": null}</tool_call>', "", [("time", "{}")]),
        ('<tool_call>{"name": "nothing", "arguments": {}}</tool_call>', None, []),  # a tool that there is not
        ("<tool_call>no JSON</tool_call>", None, []),
        ('<tool_call>{"name": ', None, []),
        ('a < b and {"name": "weather"} <tool', None, []),
        (
            '<tool_call>{"name": "time", "arguments": {"a": "</tool_call>"}}</tool_call>',
            "",
            [("time", '{"a": "</tool_call>"}')],
        ),
        ('<tool_call>{"name": "time", "arguments": {"a": 1</tool_call>', "", [("time", '{"a": 1')]),  # malformed
        ('<tool_call>{"name": "time", "arguments": {"a": 1', "", [("time", '{"a": 1')]),  # cut
        ('<tool_call>{"name": "time", "arguments": {"a": "}"}}', "", [("time", '{"a": "}"}')]),
    ],
)
def test_hermes(said: str, text: str | None, calls: list[tuple[str, str]]) -> None:
    assert read("hermes", [said]) == (said if text is None else text, calls)
    assert read("hermes", list(said)) == (said if text is None else text, calls)


@pytest.mark.parametrize(
    ("said", "text", "calls"),
    [
        ("Words {with} braces.", None, []),
        ('{"name": "weather", "parameters": {"city": "Oslo"}}', "", [("weather", '{"city": "Oslo"}')]),
        ('<|python_tag|>{"name": "time", "parameters": {}}', "", [("time", "{}")]),
        (
            '{"name": "time", "parameters": {}}; {"name": "weather", "parameters": {"city": "Oslo"}}',
            "",
            [("time", "{}"), ("weather", '{"city": "Oslo"}')],
        ),
        ('{"answer": 42}', None, []),
        ('Look: {"name": "time", "parameters": {}}', None, []),  # an example in a text is no call
    ],
)
def test_llama3_json(said: str, text: str | None, calls: list[tuple[str, str]]) -> None:
    assert read("llama3_json", [said]) == (said if text is None else text, calls)
    assert read("llama3_json", list(said)) == (said if text is None else text, calls)


def test_forced_calls_are_one_object_or_a_list() -> None:
    assert read("json", [WEATHER]) == ("", [("weather", ARGUMENTS)])
    assert read("json", [f'[{WEATHER},\n {{"name":"time","arguments":{{}}}}]']) == (
        "",
        [("weather", ARGUMENTS), ("time", "{}")],
    )


def test_an_answer_that_is_json_is_no_call_and_comes_as_it_is_made() -> None:
    said = '{"title": "weather", "name": "weather", "arguments": {"city": "Oslo"}}'
    assert read("json", list(said)) == (said, [])
    parser = CallParser(STYLES["json"], names=NAMES, new_id=lambda: "id")
    assert parser.feed(said[:20]) == [said[:20]]


def test_calls_over_the_limit_are_dropped() -> None:
    said = f"<tool_call>{WEATHER}</tool_call><tool_call>{WEATHER}</tool_call>"
    assert read("hermes", [said], max_calls=1) == ("", [("weather", ARGUMENTS)])


TAGS = ["<tool_call>", "</tool_call>", "<tool", "_call>", "<|python_tag|>"]
MEMBERS = ['"name"', '"weather"', '"arguments"', '"parameters"', "word", "1"]
bits = st.sampled_from([*TAGS, *MEMBERS, *'{}[]"\\,:; \n', WEATHER, f"<tool_call>{WEATHER}</tool_call>"])


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(sorted(STYLES)), st.lists(bits, max_size=30).map("".join), st.data())
def test_the_pieces_of_a_stream_make_no_difference(style: str, said: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=8)))
    pieces = [said[start:end] for start, end in itertools.pairwise([0, *cuts, len(said)])]
    assert read(style, pieces) == read(style, [said])


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(sorted(STYLES)), st.lists(bits, max_size=30).map("".join))
def test_nothing_that_names_no_tool_is_lost(style: str, said: str) -> None:
    assert read(style, [said], names=frozenset()) == (said, [])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.tuples(st.sampled_from(sorted(NAMES)), st.dictionaries(st.text(max_size=5), values)), max_size=4),
    st.integers(1, 7),
    st.booleans(),
)
def test_arguments_come_through_to_the_letter(calls: list[tuple[str, dict]], size: int, ascii_only: bool) -> None:
    dumped = [(name, json.dumps(arguments, ensure_ascii=ascii_only)) for name, arguments in calls]
    objects = [f'{{"name": "{name}", "arguments": {arguments}}}' for name, arguments in dumped]
    for style, said in (
        ("hermes", "\n".join(f"<tool_call>\n{one}\n</tool_call>" for one in objects)),
        ("llama3_json", "; ".join(objects)),
        ("json", f"[{', '.join(objects)}]" if objects else ""),
    ):
        pieces = [said[start : start + size] for start in range(0, len(said), size)]
        assert read(style, pieces) == ("", dumped)


def test_the_schema_takes_calls_of_the_tools_and_nothing_else() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "additionalProperties": False}
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    way = {"type": "object", "properties": {"at": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    tools = [Tool(name="weather", parameters=city), Tool(name="time"), Tool(name="walk", parameters=way)]
    one = jsonschema.Draft202012Validator(calls_schema(tools, parallel=False))
    many = jsonschema.Draft202012Validator(calls_schema(tools, parallel=True))
    good = [
        {"name": "weather", "arguments": {"city": "Oslo"}},
        {"name": "time", "arguments": {}},
        {"name": "walk", "arguments": {"at": {"next": {"next": {}}}}},
    ]
    bad = [
        {"name": "nothing", "arguments": {}},
        {"name": "weather", "arguments": {}},
        {"name": "time", "arguments": []},
        {"name": "walk", "arguments": {"at": {"next": {"last": {}}}}},
    ]
    assert all(one.is_valid(call) for call in good)
    assert not any(one.is_valid(call) for call in bad)
    assert many.is_valid(good)
    assert not many.is_valid([])
    reply = {**node, "$defs": {"node": node}}
    for parallel, calls in ((False, good[0]), (True, good)):
        either = jsonschema.Draft202012Validator(calls_schema(tools, parallel=parallel, answer=reply))
        assert either.is_valid({"next": {}})
        assert either.is_valid(calls)
        assert not either.is_valid({"last": {}})


def test_a_delta_is_plain_data() -> None:
    ids = map(str, itertools.count())
    parser = CallParser(STYLES["hermes"], names=NAMES, new_id=lambda: next(ids))
    assert parser.feed('a <tool_call>{"name": "time", "arguments": {"a"') == [
        "a",
        CallDelta(index=0, id="0", name="time"),
        CallDelta(index=0, arguments='{"a"'),
    ]
