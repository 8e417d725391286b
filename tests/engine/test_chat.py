"""Chat completions as the official client asks for them, answered by a real vLLM with random weights."""

import json

import openai
import pytest
from pydantic import BaseModel, Field

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION = "How long is the warranty?"


def tool(name: str, definitions: dict | None = None, **properties: object) -> dict:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    if definitions:
        parameters["$defs"] = definitions
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


# Small values, so that nonsense ends soon.
TOOLS = [
    tool("weather", city={"enum": ["Oslo", "Bergen"]}),
    tool("sum", {"digit": {"enum": [1, 2, 3]}}, left={"$ref": "#/$defs/digit"}, right={"$ref": "#/$defs/digit"}),
]


def ask(service, **options):
    options = {"max_tokens": 24, "temperature": 0, **options}
    messages = options.pop("messages", [{"role": "user", "content": QUESTION}])
    return service.client.chat.completions.create(model=service.model, messages=messages, **options)


def test_choices_differ_and_a_seed_repeats_them(service) -> None:
    first, second = (ask(service, n=3, temperature=1.5, seed=11) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert texts == [choice.message.content for choice in second.choices]
    assert texts != [choice.message.content for choice in ask(service, n=3, temperature=1.5, seed=12).choices]
    assert 3 < first.usage.completion_tokens <= 3 * 24
    reuse = second.model_extra["rag"]["reuse"]
    assert abs(reuse["cached_tokens"] - reuse["predicted_cached_tokens"]) <= 32, reuse


def test_choices_at_temperature_zero_are_the_likeliest_answer(service) -> None:
    one = ask(service).choices[0].message.content
    assert [choice.message.content for choice in ask(service, n=2).choices] == [one, one]


def test_a_new_prompt_with_choices_is_predicted(service) -> None:
    messages = [{"role": "user", "content": "Tell me of the sea. " * 40}]
    for _ in range(2):
        answer = ask(service, messages=messages, n=4, temperature=1)
        reuse = answer.model_extra["rag"]["reuse"]
        assert abs(reuse["cached_tokens"] - reuse["predicted_cached_tokens"]) <= 32, reuse


def test_log_probabilities_are_of_the_text(service) -> None:
    answer = ask(service, logprobs=True, top_logprobs=5, messages=[{"role": "user", "content": "Hello"}])
    choice = answer.choices[0]
    said = bytes(byte for token in choice.logprobs.content for byte in token.bytes).decode("utf-8", "replace")
    plain = ask(service, messages=[{"role": "user", "content": "Hello"}], extra_body={"rag": {"mode": "off"}})
    assert plain.choices[0].message.content
    for token in choice.logprobs.content:
        assert token.logprob == token.top_logprobs[0].logprob  # greedy
        assert len(token.top_logprobs) == 5
    if not answer.model_extra["rag"]["problems"]:
        assert said.startswith(choice.message.content.rstrip("\ufffd"))
    stream = ask(service, logprobs=True, top_logprobs=5, messages=[{"role": "user", "content": "Hello"}], stream=True)
    told = [t for c in stream for choice in c.choices if choice.logprobs for t in choice.logprobs.content]
    assert [(t.token, t.bytes) for t in told] == [(t.token, t.bytes) for t in choice.logprobs.content]


def test_a_stop_string_ends_the_answer_and_is_not_in_it(service) -> None:
    plain = {"extra_body": {"rag": {"mode": "off"}}}
    text = ask(service, **plain).choices[0].message.content
    stop = text[len(text) // 2 : len(text) // 2 + 3]
    stopped = ask(service, stop=[stop], **plain).choices[0]
    assert stopped.message.content == text[: text.index(stop)]
    assert stopped.finish_reason == "stop"


def test_a_bias_bans_tokens(service) -> None:
    others = {str(token_id): -100 for token_id in range(1000)}
    answer = ask(service, logprobs=True, logit_bias=others, extra_body={"rag": {"mode": "off"}})
    first = {bytes(token.bytes) for token in answer.choices[0].logprobs.content}
    free = ask(service, logprobs=True, extra_body={"rag": {"mode": "off"}})
    assert first != {bytes(token.bytes) for token in free.choices[0].logprobs.content}
    with pytest.raises(openai.BadRequestError, match="logit_bias"):
        ask(service, logit_bias={"999999": 1})


@pytest.fixture(scope="session")
def blanks(tiny_tokenizer_json: str) -> dict[str, int]:
    """A bias against white space, which JSON allows without end and a model of random weights may like best."""
    vocabulary = json.loads(tiny_tokenizer_json)["model"]["vocab"]
    return {str(token_id): -100 for word, token_id in vocabulary.items() if not word.strip("ĠĊĉč")}


class Reply(BaseModel):
    """A shape whose every value is short."""

    sure: bool
    months: int = Field(ge=0, le=99)


def test_an_answer_has_the_shape_of_a_model(service, blanks) -> None:
    parsed = service.client.chat.completions.parse(
        model=service.model,
        messages=[{"role": "user", "content": QUESTION}],
        response_format=Reply,
        max_tokens=200,
        temperature=0,
        logit_bias=blanks,
    )
    assert isinstance(parsed.choices[0].message.parsed, Reply)


def test_a_schema_that_the_engine_cannot_follow_is_a_400(service) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    with pytest.raises(openai.BadRequestError):
        ask(service, response_format=shape)


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_function_is_called(service, blanks, stream) -> None:
    named = {"type": "function", "function": {"name": "sum"}}
    calls, reason = calls_of(service, stream, tool_choice=named, max_tokens=200, logit_bias=blanks)
    assert [name for name, _ in calls] == ["sum"]
    assert all(value in {1, 2, 3} for value in json.loads(calls[0][1]).values())
    assert reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
def test_a_required_call_is_one_of_the_tools(service, blanks, stream) -> None:
    calls, reason = calls_of(
        service, stream, tool_choice="required", parallel_tool_calls=False, max_tokens=200, logit_bias=blanks
    )
    assert len(calls) == 1
    name, arguments = calls[0]
    expected = {"weather": {"city"}, "sum": {"left", "right"}}[name]
    assert set(json.loads(arguments)) == expected
    assert reason == "tool_calls"


def test_several_required_calls_are_at_least_one(service, blanks) -> None:
    # More calls than fit is what such a model may well ask for: those that are complete are read.
    calls, _ = calls_of(service, False, tool_choice="required", max_tokens=300, logit_bias=blanks)
    assert calls
    assert {name for name, _ in calls} <= {"weather", "sum"}


def test_an_answer_of_a_shape_or_a_call(service, blanks) -> None:
    answer = service.client.chat.completions.parse(
        model=service.model,
        messages=[{"role": "user", "content": QUESTION}],
        response_format=Reply,
        tools=[{**one, "function": {**one["function"], "strict": True}} for one in TOOLS],
        max_tokens=200,
        temperature=0,
        logit_bias=blanks,
    )
    message = answer.choices[0].message
    assert isinstance(message.parsed, Reply) or message.tool_calls


def calls_of(service, stream: bool, **options) -> tuple[list[tuple[str, str]], str]:
    if not stream:
        choice = ask(service, tools=TOOLS, **options).choices[0]
        assert choice.message.content is None
        return [
            (call.function.name, call.function.arguments) for call in choice.message.tool_calls
        ], choice.finish_reason
    calls: list[tuple[str, str]] = []
    reason = None
    for chunk in ask(service, tools=TOOLS, stream=True, **options):
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            for piece in choice.delta.tool_calls or ():
                if piece.id:
                    calls.append((piece.function.name, ""))
                name, arguments = calls[piece.index]
                calls[piece.index] = (name, arguments + piece.function.arguments)
    return calls, reason


def test_completions_are_the_bare_models(service) -> None:
    client, model = service.client, service.model
    one = client.completions.create(model=model, prompt="Once upon", max_tokens=8, temperature=0, logprobs=3)
    assert one.usage.prompt_tokens < 8
    assert len(one.choices[0].logprobs.tokens) == len(one.choices[0].logprobs.top_logprobs) > 0
    both = client.completions.create(model=model, prompt=["Once upon", "The sea"], max_tokens=8, temperature=0)
    assert both.choices[0].text == one.choices[0].text
    stream = client.completions.create(model=model, prompt="Once upon", max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == one.choices[0].text
