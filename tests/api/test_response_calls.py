"""Functions that a response calls, beside a search and over several turns."""

import json

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

QUESTION = "How long does the standard warranty last, and is it raining?"
SEARCH = {"type": "file_search", "vector_store_ids": ["default"]}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    },
    "strict": True,
}
CALLS = (
    'I look. <tool_call>{"name": "weather", "arguments": {"place": "Oslo"}}</tool_call>'
    '<tool_call>{"name": "weather", "arguments": {"place": "Bergen"}}</tool_call>'
)
EVENTS = TypeAdapter(ResponseStreamEvent)


@pytest.fixture(scope="module")
def url(serve_fake):
    """A service whose model always says something and calls twice."""
    with serve_fake(CALLS, settings={"engine": {"urls": ["fake://engine"], "tool_parser": "hermes"}}) as (url, _):
        yield url


@pytest.fixture
def client(url):
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_calls_stand_beside_a_search(client) -> None:
    response = client.responses.create(model="tiny", input=QUESTION, tools=[SEARCH, WEATHER])
    assert [item.type for item in response.output] == ["file_search_call", "message", "function_call", "function_call"]
    assert [json.loads(item.arguments) for item in response.output[2:]] == [{"place": "Oslo"}, {"place": "Bergen"}]
    assert {item.status for item in response.output} == {"completed"}
    assert len({item.call_id for item in response.output[2:]}) == 2
    Response.model_validate_json(response.to_json(), strict=True)


def test_the_tokens_of_functions_calls_and_their_results_are_counted(client) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"place": "Oslo"}'}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "It is raining in Oslo."}
    items = [{"role": "user", "content": QUESTION}, call, result]

    counted = client.responses.input_tokens.count(model="tiny:plain", input=items, tools=[WEATHER])

    used = client.responses.create(model="tiny:plain", input=items, tools=[WEATHER]).usage
    assert counted.input_tokens == used.input_tokens


def test_a_stream_of_calls_says_the_same(client) -> None:
    whole = client.responses.create(model="tiny", input=QUESTION, tools=[SEARCH, WEATHER])
    with client.responses.stream(model="tiny", input=QUESTION, tools=[SEARCH, WEATHER]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    arguments = [""] * 4
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            arguments[event.output_index] += event.delta
    assert arguments[2:] == [item.arguments for item in final.output[2:]] == [i.arguments for i in whole.output[2:]]
    raw = client.responses.create(model="tiny", input=QUESTION, tools=[SEARCH, WEATHER], stream=True)
    for event in raw:
        EVENTS.validate_json(event.to_json(), strict=True)


def test_one_call_at_most_and_none(client) -> None:
    one = client.responses.create(model="tiny", input=QUESTION, tools=[WEATHER], parallel_tool_calls=False)
    assert [item.type for item in one.output].count("function_call") == 1
    none = client.responses.create(model="tiny", input=QUESTION, tools=[WEATHER], tool_choice="none")
    assert [item.type for item in none.output] == ["message"]


def test_results_continue_the_conversation_and_its_prompt(client) -> None:
    first = client.responses.create(model="tiny", input=QUESTION, tools=[SEARCH, WEATHER])
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        for item in first.output
        if item.type == "function_call"
    ]
    by_id = client.responses.create(model="tiny", input=results, previous_response_id=first.id, tools=[SEARCH, WEATHER])
    cached = by_id.usage.input_tokens_details.cached_tokens
    assert cached >= first.usage.input_tokens - 2 * 16
    sent = [{"role": "user", "content": QUESTION}, *(item.to_dict() for item in first.output), *results]
    whole = client.responses.create(model="tiny", input=sent, tools=[SEARCH, WEATHER])
    assert whole.usage.input_tokens == by_id.usage.input_tokens
    assert whole.usage.input_tokens - whole.usage.input_tokens_details.cached_tokens <= 16
    assert by_id.output[0].queries == [QUESTION]  # what the results belong to


def test_a_call_without_its_result_is_named(client) -> None:
    first = client.responses.create(model="tiny", input=QUESTION, tools=[WEATHER])
    with pytest.raises(openai.BadRequestError, match="no results") as caught:
        client.responses.create(model="tiny", input="And?", previous_response_id=first.id, tools=[WEATHER])
    assert caught.value.param == "input"
