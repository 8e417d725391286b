"""Tools through the official client: called by the model's own words or by force, with retrieval on."""

import json

import httpx2
import openai
import pytest
from openai import OpenAI

QUESTION = {"role": "user", "content": "How long does the standard warranty last?"}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bergen"}}\n</tool_call>'


def tool(name: str, description: str = "", **properties: object) -> dict:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [tool("weather", "The weather.", city={"type": "string"}), tool("time")]


@pytest.fixture
def ask(serve_fake):
    """Asks a service whose model says `reply`: `ask(reply, **request)` gives the answer and the engine."""

    def start(reply: str, *, parser: str | None = "hermes", **request):
        settings = {"engine": {"urls": ["fake://engine"], "tool_parser": parser}}
        with (
            serve_fake(reply, settings=settings) as (url, fake),
            OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
        ):
            return client.chat.completions.create(
                **{"model": "tiny", "messages": [QUESTION], "tools": TOOLS, **request}
            ), fake

    return start


@pytest.fixture(scope="module")
def service(serve_fake):
    settings = {"engine": {"urls": ["fake://engine"], "tool_parser": "hermes"}}
    reply = f"I look. [10]\n{CALL}\n" + '<tool_call>{"name": "time", "arguments": {}}</tool_call>'
    with serve_fake(reply, settings=settings) as (url, fake):
        yield url, fake


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_calls_stand_beside_text_and_citations(client) -> None:
    answer = client.chat.completions.create(model="tiny", messages=[QUESTION], tools=TOOLS)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look. [10]"
    assert [(c.type, c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls] == [
        ("function", "weather", {"city": "Bergen"}),
        ("function", "time", {}),
    ]
    assert len({call.id for call in choice.message.tool_calls}) == 2
    assert all(call.id.startswith("call_") for call in choice.message.tool_calls)
    assert len(answer.model_extra["rag"]["retrieved"]) == 10  # retrieval is on


def test_a_stream_says_the_same_as_a_whole_answer(client) -> None:
    request = {"model": "tiny", "messages": [QUESTION], "tools": TOOLS, "n": 2}
    whole = client.chat.completions.create(**request)
    deltas = [
        choice
        for chunk in client.chat.completions.create(**request, stream=True)
        for choice in chunk.choices
        if choice.index == 1
    ]
    assert "".join(choice.delta.content or "" for choice in deltas) == whole.choices[1].message.content
    assert deltas[-1].finish_reason == whole.choices[1].finish_reason == "tool_calls"
    pieces = [piece for choice in deltas for piece in choice.delta.tool_calls or ()]
    for index, call in enumerate(whole.choices[1].message.tool_calls):
        first, *others = [piece for piece in pieces if piece.index == index]
        assert (first.type, first.function.name) == ("function", call.function.name)
        assert first.id.startswith("call_")
        assert all(piece.id is None and piece.function.name is None for piece in others)
        assert "".join(piece.function.arguments for piece in (first, *others)) == call.function.arguments
    assert len([piece for piece in pieces if piece.index == 0]) > 3  # arguments come as they are made


def test_the_clients_own_stream_helper_reads_it(client) -> None:
    with client.chat.completions.stream(model="tiny", messages=[QUESTION], tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert [(event.name, event.arguments) for event in done] == [("weather", '{"city": "Bergen"}'), ("time", "{}")]


def test_no_words_are_null_in_a_stream_too(serve_fake) -> None:
    settings = {"engine": {"urls": ["fake://engine"], "tool_parser": "hermes"}}
    with (
        serve_fake(CALL, settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
        client.chat.completions.stream(model="tiny", messages=[QUESTION], tools=TOOLS) as stream,
    ):
        message = stream.get_final_completion().choices[0].message
    assert message.content is None
    assert [call.function.name for call in message.tool_calls] == ["weather"]


def test_no_words_are_null_and_one_call_is_one(ask) -> None:
    answer, fake = ask(f"{CALL}{CALL}", parallel_tool_calls=False)
    assert answer.choices[0].message.content is None
    assert len(answer.choices[0].message.tool_calls) == 1
    assert fake.samplings[-1].special_tokens


def test_none_keeps_the_prompt_and_lets_no_call_through(ask) -> None:
    auto, fake = ask("It lasts 26 months.")
    none, fake_none = ask("It lasts 26 months.", tool_choice="none")
    assert auto.choices[0].message.tool_calls is None
    assert fake.prompts[-1] == fake_none.prompts[-1]
    assert fake_none.samplings[-1].bad_words == ("<tool_call>",)
    assert none.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("parser", [None, "llama3_json"])
def test_a_required_call_needs_no_parser(ask, parser) -> None:
    said = '[{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "time", "arguments": {}}]'
    answer, fake = ask(said, parser=parser, tool_choice="required")
    message = answer.choices[0].message
    assert message.content is None
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [(c.function.name, c.function.arguments) for c in message.tool_calls] == [
        ("weather", '{"city": "Oslo"}'),
        ("time", "{}"),
    ]
    schema = fake.samplings[-1].response_format["json_schema"]["schema"]
    assert schema["type"] == "array"
    assert set(schema["$defs"]) == {"weather", "time"}


@pytest.mark.parametrize("said", ['{"months": 26}', '{"name": "weather", "arguments": {"city": "Oslo"}}'])
def test_an_answer_of_a_shape_and_tools_go_together(ask, said) -> None:
    schema = {"type": "object", "properties": {"months": {"type": "integer"}}, "additionalProperties": False}
    shape = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    answer, fake = ask(said, parser=None, response_format=shape)
    message = answer.choices[0].message
    sent = fake.samplings[-1].response_format["json_schema"]["schema"]
    assert set(sent["$defs"]) == {"weather", "time", "$answer"}
    if "months" in said:
        assert (message.content, message.tool_calls) == (said, None)
    else:
        assert message.content is None
        assert message.tool_calls[0].function.name == "weather"


def test_a_named_function_is_called_once(ask) -> None:
    named = {"type": "function", "function": {"name": "weather"}}
    answer, fake = ask('{"name": "weather", "arguments": {"city": "Oslo"}}', parser=None, tool_choice=named)
    assert [c.function.name for c in answer.choices[0].message.tool_calls] == ["weather"]
    assert set(fake.samplings[-1].response_format["json_schema"]["schema"]["$defs"]) == {"weather"}


def test_allowed_tools_are_the_only_ones_called(ask) -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]}
    answer, _ = ask(CALL, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content == CALL


def test_different_tools_share_the_prefix(client) -> None:
    client.chat.completions.create(model="tiny", messages=[QUESTION])
    other = client.chat.completions.create(model="tiny", messages=[QUESTION], tools=[tool("walk", "Far away.")])
    segments = {s["name"]: s for s in other.model_extra["rag"]["reuse"]["segments"]}
    assert segments["system"]["cached"] == segments["system"]["tokens"]
    assert segments["shared_prefix"]["tokens"] - segments["shared_prefix"]["cached"] < 16


def test_a_conversation_with_tools_extends_its_prefix_and_searches_for_the_question(service, client) -> None:
    messages = [{"role": "system", "content": "Be kind."}, QUESTION]
    first = client.chat.completions.create(model="tiny", messages=messages, tools=TOOLS)
    messages.append(first.choices[0].message.to_dict())
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": f"What does E41 mean? {number}"}
        for number, call in enumerate(first.choices[0].message.tool_calls)
    ]
    second = client.chat.completions.create(model="tiny", messages=messages, tools=TOOLS)
    found = [[hit["chunk_id"] for hit in answer.model_extra["rag"]["retrieved"]] for answer in (first, second)]
    assert found[0] == found[1]
    reuse = second.model_extra["rag"]["reuse"]
    assert reuse["cached_tokens"] == reuse["predicted_cached_tokens"]
    # All of the first prompt but the words that opened its answer, and the block that they are in.
    assert reuse["cached_tokens"] >= first.usage.prompt_tokens - 2 * 16
    assert reuse["miss_reason"] is None

    messages += [{"role": "assistant", "content": "It is warm."}, {"role": "user", "content": "What does E41 mean?"}]
    third = client.chat.completions.create(model="tiny", messages=messages, tools=TOOLS)
    assert third.model_extra["rag"]["reuse"]["cached_tokens"] >= second.usage.prompt_tokens - 2 * 16
    assert third.model_extra["rag"]["retrieved"] != second.model_extra["rag"]["retrieved"]


def test_functions_of_old_clients_are_results_too(service, client) -> None:
    client.chat.completions.create(
        model="tiny:plain",
        messages=[
            QUESTION,
            {"role": "assistant", "content": None, "function_call": {"name": "time", "arguments": "{}"}},
            {"role": "function", "name": "time", "content": "12:10"},
        ],
        tools=TOOLS,
    )
    client.chat.completions.create(
        model="tiny:plain",
        messages=[
            QUESTION,
            {
                "role": "assistant",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "x", "content": [{"type": "text", "text": "12:10"}]},
        ],
        tools=TOOLS,
    )
    assert service[1].prompts[-1] == service[1].prompts[-2]


def test_without_a_parser_tools_say_how_to_configure_one(ask) -> None:
    with pytest.raises(openai.BadRequestError, match=r"engine\.tool_parser") as caught:
        ask("Nothing.", parser=None)
    assert (caught.value.param, caught.value.code) == ("tools", "unsupported_value")


MADE = {
    "role": "assistant",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [tool("two words")]}, "tools[0].function.name"),
        ({"tools": [tool("f"), tool("f")]}, "tools[1].function.name"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [tool("f", a={"enum": ["x" * 70_000]})]}, "tools[0].function.parameters"),
        ({"tools": [tool(f"f{index}") for index in range(129)]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "walk"}}}, "tool_choice"),
        ({"messages": [QUESTION, {"role": "tool", "tool_call_id": "a", "content": "x"}]}, "messages[1].tool_call_id"),
        (
            {"messages": [QUESTION, MADE, {"role": "tool", "tool_call_id": "b", "content": "x"}]},
            "messages[2].tool_call_id",
        ),
        ({"messages": [QUESTION, MADE, QUESTION]}, "messages"),
        ({"messages": [QUESTION, MADE]}, "messages"),
    ],
)
def test_bad_tools_are_a_400_that_names_the_field(service, body, param) -> None:
    answer = httpx2.post(f"{service[0]}/v1/chat/completions", json={"model": "tiny", "messages": [QUESTION], **body})
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert error["param"] == param, error
