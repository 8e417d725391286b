"""The Responses API through the official OpenAI client."""

import json
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

JSON = {"content-type": "application/json"}
ANSWER = "The standard warranty lasts 26 months. [10] Nothing else is known [99]."
QUESTION = "How long does the standard warranty last?"
SEARCH = {"type": "file_search", "vector_store_ids": ["default"]}
RESULTS = ["file_search_call.results"]
LOOK = {
    "type": "function",
    "name": "look",
    "description": "Look something up.",
    "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    "strict": False,
}
EVENTS = TypeAdapter(ResponseStreamEvent)


@pytest.fixture(scope="module")
def service(serve_fake):
    with serve_fake(ANSWER) as (url, fake):
        yield url, fake


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


def create(client, question: Any = QUESTION, **options):
    return client.responses.create(model="tiny", input=question, **options)


def post(url: str, **body) -> httpx2.Response:
    content = json.dumps({"model": "tiny", "input": QUESTION, **body})
    return httpx2.post(f"{url}/v1/responses", content=content, headers=JSON, timeout=30)


def events_of(url: str, **body) -> list[dict]:
    """The events of a stream as they stand on the wire; each is named by its own type."""
    events = []
    for block in post(url, stream=True, **body).text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def strict(model: type[BaseModel], body: dict) -> None:
    """The body is what the official client's model says, nothing coerced and nothing missing."""
    model.model_validate_json(json.dumps(body), strict=True)


def test_a_search_and_its_answer_stand_in_the_output(client) -> None:
    response = create(client, tools=[SEARCH], include=RESULTS)
    search, message = response.output
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert (search.type, search.status, search.queries) == ("file_search_call", "completed", [QUESTION])
    assert len(search.results) == 10
    assert all(0 <= result.score <= 1 and result.text and result.filename for result in search.results)
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert response.output_text == "The standard warranty lasts 26 months. [10] Nothing else is known."
    rag = response.model_extra["rag"]
    annotations = message.content[0].annotations
    assert [a.chunk_id for a in annotations] == [c["chunk_id"] for c in rag["citations"]]
    cited = next(a for a in annotations if response.output_text[a.index :].startswith("[10]"))
    citation = next(c for c in rag["citations"] if c["marker"] == "[10]")
    assert cited.type == "file_citation"
    assert (cited.document, cited.quote, cited.status) == (citation["document"], citation["quote"], citation["status"])
    assert (cited.source_start, cited.source_end) == (citation["source_start"], citation["source_end"])
    for annotation in annotations:
        if annotation.result_index is not None:
            result = search.results[annotation.result_index]
            assert (result.chunk_id, result.file_id) == (annotation.chunk_id, annotation.file_id)
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens == rag["reuse"]["cached_tokens"]


def test_results_are_shown_only_when_asked_for(client) -> None:
    response = create(client, tools=[{**SEARCH, "max_num_results": 3}])
    assert response.output[0].results is None
    assert client.responses.retrieve(response.id).output[0].results is None
    again = client.responses.retrieve(response.id, include=RESULTS)
    assert len(again.output[0].results) == 3
    assert again.output_text == response.output_text


def test_without_a_search_tool_the_default_collection_answers_as_in_a_chat(client) -> None:
    response = create(client)
    assert [item.type for item in response.output] == ["message"]
    assert response.model_extra["rag"]["collection"] == "default"
    assert response.output[0].content[0].annotations
    for plain in (
        create(client, extra_body={"rag": {"mode": "off"}}),
        create(client, tools=[SEARCH], tool_choice="none"),
        client.responses.create(model="tiny:plain", input=QUESTION),
    ):
        assert plain.model_extra["rag"]["collection"] is None
        assert [item.type for item in plain.output] == ["message"]
        assert plain.output_text == ANSWER
        assert plain.usage.input_tokens < 40


def test_a_stream_says_the_same_as_a_whole_answer(client) -> None:
    whole = create(client, tools=[SEARCH], include=RESULTS)
    with client.responses.stream(model="tiny", input=QUESTION, tools=[SEARCH], include=RESULTS) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.output[0].results == whole.output[0].results
    assert final.output[1].content[0].annotations == whole.output[1].content[0].annotations
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    added = [e.annotation for e in events if e.type == "response.output_text.annotation.added"]
    assert [a.chunk_id for a in added] == [a.chunk_id for a in whole.output[1].content[0].annotations]
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert (
        client.responses.retrieve(final.id, include=RESULTS).output
        == client.responses.retrieve(final.id, include=RESULTS).output
    )
    assert client.responses.retrieve(final.id).output_text == whole.output_text


def test_every_body_and_every_event_is_what_the_official_models_say(service) -> None:
    url = service[0]
    bodies = [
        {"tools": [SEARCH], "include": RESULTS},
        {"tools": [SEARCH], "tool_choice": {"type": "file_search"}, "metadata": {"a": "b"}, "user": "u"},
        {"max_output_tokens": 2, "temperature": 0.5, "top_p": 0.9, "instructions": "Be brief."},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}},
    ]
    for body in bodies:
        whole = post(url, **body).json()
        strict(Response, whole)
        strict(Response, httpx2.get(f"{url}/v1/responses/{whole['id']}").json())
        for event in events_of(url, **body):
            EVENTS.validate_json(json.dumps(event), strict=True)


def test_an_answer_that_is_cut_is_incomplete(service, client) -> None:
    response = create(client, tools=[SEARCH], max_output_tokens=2)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output[1].status == "incomplete"
    assert response.usage.output_tokens == 2
    assert events_of(service[0], max_output_tokens=2)[-1]["type"] == "response.incomplete"


def test_parse_gives_the_object_of_a_schema(serve_fake) -> None:
    class Warranty(BaseModel):
        months: int

    with (
        serve_fake('{"months": 26}') as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        response = client.responses.parse(model="tiny", input=QUESTION, text_format=Warranty)
        assert response.output_parsed == Warranty(months=26)
        assert response.text.format.name == "Warranty"
        with client.responses.stream(model="tiny", input=QUESTION, text_format=Warranty) as stream:
            assert stream.until_done().get_final_response().output_parsed == Warranty(months=26)


def test_items_of_every_kind_ask_the_same(client) -> None:
    part = {"type": "input_text", "text": QUESTION}
    asked = [
        QUESTION,
        [{"role": "user", "content": QUESTION}],
        [{"role": "user", "content": [part]}],
        [{"type": "message", "role": "user", "content": [part], "status": "completed"}],
    ]
    tokens = {create(client, question).usage.input_tokens for question in asked}
    assert len(tokens) == 1
    system = create(client, [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": QUESTION}])
    told = create(client, instructions="Be brief.")
    assert system.usage.input_tokens == told.usage.input_tokens > tokens.pop()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": []}, "input", "invalid_value"),
        ({"input": None}, "input", "invalid_value"),
        ({"input": ""}, "input", None),
        ({"input": "\ud800"}, None, "invalid_json"),
        ({"input": "word " * 9000}, "input", "context_length_exceeded"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "assistant", "content": "x"}]}, "input", None),
        ({"input": [{"role": "user"}]}, "input[0]", "invalid_value"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0].type",
            "invalid_value",
        ),
        ({"input": [{"type": "computer_call_output"}]}, "input[0].type", "invalid_value"),
        ({"model": None}, "model", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "invalid_value"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata", "invalid_value"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_value"),
        ({"tools": [SEARCH, {"type": "code_interpreter"}]}, "tools[1].type", "unsupported_value"),
        ({"tools": [{**SEARCH, "vector_store_ids": []}]}, "tools[0].vector_store_ids", "unsupported_value"),
        ({"tools": [{**SEARCH, "vector_store_ids": ["a", "b"]}]}, "tools[0].vector_store_ids", "unsupported_value"),
        ({"tools": [{**SEARCH, "max_num_results": 51}]}, "tools[0].max_num_results", "invalid_value"),
        ({"tools": [{**SEARCH, "colour": 1}]}, "tools[0].colour", "unknown_parameter"),
        ({"tools": [{**SEARCH, "filters": {"type": "is"}}]}, "tools[0].filters.type", "invalid_value"),
        (
            {"tools": [{**SEARCH, "ranking_options": {"hybrid_search": {"text_weight": 1}}}]},
            "tools[0].ranking_options.hybrid_search",
            "unsupported_value",
        ),
        ({"tools": [SEARCH, SEARCH]}, "tools[1]", "unsupported_value"),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice", None),
        ({"tools": [SEARCH], "model": "tiny:plain"}, "model", None),
        ({"tools": [SEARCH], "rag": {"mode": "off"}}, "rag.mode", None),
        ({"tools": [SEARCH], "rag": {"collection": "default"}}, "rag.collection", None),
        ({"include": ["everything"]}, "include[0]", "invalid_value"),
        ({"background": True}, "background", "unsupported_value"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_value"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_value"),
        ({"reasoning": {"effort": "high"}}, "reasoning.effort", "unsupported_value"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "unsupported_value"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x"}}},
            "text.format.schema",
            "missing_required_parameter",
        ),
        ({"stream_options": {}}, "stream_options", None),
        ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tools": [{**LOOK, "parameters": {"type": "array"}}]}, "tools[0].parameters", "invalid_value"),
        ({"tools": [LOOK, LOOK]}, "tools[1]", "unsupported_value"),
        ({"tools": [LOOK], "tool_choice": {"type": "function", "name": "go"}}, "tool_choice", None),
        ({"tools": [LOOK], "tool_choice": "auto"}, "tools", "unsupported_value"),
        (
            {"input": [{"type": "function_call_output", "call_id": "call_9", "output": "x"}]},
            "input[0].call_id",
            "invalid_value",
        ),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}]},
            "input",
            "invalid_value",
        ),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0]", "invalid_value"),
        ({"rag": {"colection": "x"}}, "rag.colection", "unknown_parameter"),
        ({"inptu": "x"}, "inptu", "unknown_parameter"),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(service, body, param, code) -> None:
    response = post(service[0], **body)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert (error["param"], error["code"]) == (param, code), error
    assert error["type"] == "invalid_request_error"


def test_what_does_not_exist_is_a_404_that_names_the_field(service) -> None:
    for body, param, code in [
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"tools": [{**SEARCH, "vector_store_ids": ["vs_9"]}]}, "tools[0].vector_store_ids", "collection_not_found"),
        ({"rag": {"collection": "nowhere"}}, "rag.collection", "collection_not_found"),
        ({"previous_response_id": "resp_9"}, "previous_response_id", "previous_response_not_found"),
        ({"input": [{"type": "item_reference", "id": "msg_9"}]}, "input[0].id", "item_not_found"),
    ]:
        response = post(service[0], **body)
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (404, param, code)


def test_harmless_fields_are_accepted_and_echoed(client) -> None:
    response = create(
        client,
        metadata={"ticket": "7"},
        user="u-1",
        safety_identifier="s-1",
        prompt_cache_key="k-1",
        service_tier="auto",
        parallel_tool_calls=False,
        max_tool_calls=3,
        truncation="disabled",
        background=False,
        reasoning={"summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    assert response.metadata == {"ticket": "7"}
    assert (response.user, response.safety_identifier, response.prompt_cache_key) == ("u-1", "s-1", "k-1")
    assert (response.parallel_tool_calls, response.max_tool_calls, response.background) == (False, 3, False)
    assert (response.tool_choice, response.tools, response.truncation) == ("auto", [], "disabled")


def test_an_engine_that_breaks_in_a_stream_ends_it_with_a_failed_response(serve_fake) -> None:
    with (
        serve_fake(ANSWER, fail_after=4) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        events = list(create(client, stream=True, tools=[SEARCH]))
        for event in events_of(url):
            EVENTS.validate_json(json.dumps(event), strict=True)
        last = events[-1]
        assert (last.type, last.response.status, last.response.error.code) == (
            "response.failed",
            "failed",
            "server_error",
        )
        assert [item.status for item in last.response.output] == ["completed", "incomplete"]
        assert client.responses.retrieve(last.response.id).status == "failed"
        with pytest.raises(openai.BadRequestError, match="failed") as caught:
            create(client, previous_response_id=last.response.id)
        assert caught.value.param == "previous_response_id"
        with pytest.raises(openai.InternalServerError) as broken:
            create(client)
        assert broken.value.status_code == 502


def test_what_fails_before_the_first_byte_has_a_status(serve_fake) -> None:
    with serve_fake(ANSWER, settings={"server": {"request_timeout_s": 0.5}}, uncached_token_s=0.0005) as (url, _):
        answer = post(url, stream=True)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "engine_timeout")


def test_log_probabilities_are_told_when_included(service, client) -> None:
    whole = create(client, include=["message.output_text.logprobs"], top_logprobs=2, tools=[SEARCH])
    told = whole.output[1].content[0].logprobs
    assert told
    assert all(len(token.top_logprobs) == 2 for token in told)
    body = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    events = events_of(service[0], **body)
    for event in events:
        EVENTS.validate_json(json.dumps(event), strict=True)
    strict(Response, post(service[0], **body).json())
    streamed = [token for event in events for token in event.get("logprobs", [])]
    assert [token["token"] for token in streamed] == [token.token for token in told]
    assert create(client).output[0].content[0].logprobs == []


def long_talk(n_turns: int) -> list[dict]:
    turns = [
        ({"role": "user", "content": f"{n} " + "word " * 400}, {"role": "assistant", "content": "Yes."})
        for n in range(n_turns)
    ]
    return [*(message for turn in turns for message in turn), {"role": "user", "content": QUESTION}]


def test_a_conversation_that_does_not_fit_loses_its_oldest_turns_when_told_to(service, client) -> None:
    fits = create(client, long_talk(5), truncation="auto")
    assert (fits.truncation, "turns_dropped" in fits.model_extra["rag"]) == ("auto", False)
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, long_talk(20))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    for talk, model in ((long_talk(20), "tiny"), (long_talk(20), "tiny:plain")):
        cut = client.responses.create(model=model, input=talk, truncation="auto")
        assert cut.model_extra["rag"]["turns_dropped"] in (4, 8, 16)
        assert cut.usage.input_tokens < 8192
    # The next turn is cut at the same place, so its prompt extends this one's.
    again = [*long_talk(20), {"role": "assistant", "content": cut.output_text}, {"role": "user", "content": "And?"}]
    longer = client.responses.create(model="tiny:plain", input=again, truncation="auto")
    assert longer.model_extra["rag"]["turns_dropped"] == cut.model_extra["rag"]["turns_dropped"]
    assert longer.usage.input_tokens_details.cached_tokens >= cut.usage.input_tokens - 2 * 16
    with pytest.raises(openai.BadRequestError):
        create(client, "word " * 9000, truncation="auto")  # a question is never cut


def test_the_setting_cuts_where_the_request_does_not_say(serve_fake) -> None:
    with (
        serve_fake(ANSWER, settings={"server": {"history_overflow": "truncate"}}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        chat = client.chat.completions.create(model="tiny", messages=long_talk(20))
        response = create(client, long_talk(20))
        assert chat.model_extra["rag"]["turns_dropped"] == response.model_extra["rag"]["turns_dropped"] > 0
        with pytest.raises(openai.BadRequestError):
            create(client, long_talk(20), truncation="disabled")


def test_a_search_keeps_to_its_filter_and_its_floor(client) -> None:
    all_found = create(client, tools=[SEARCH], include=RESULTS).output[0].results
    document = all_found[0].document
    only = {**SEARCH, "filters": {"type": "eq", "key": "document", "value": document}}
    response = create(client, tools=[only], include=[*RESULTS], extra_body={"rag": {"include": ["context"]}})
    assert {result.document for result in response.output[0].results} == {document}
    assert {shown["document"] for shown in response.model_extra["rag"]["context"]} == {document}
    floor = sorted(result.score for result in all_found)[5]
    high = {**SEARCH, "ranking_options": {"ranker": "auto", "score_threshold": floor}}
    results = create(client, tools=[high], include=RESULTS).output[0].results
    assert 0 < len(results) < len(all_found)
    assert all(result.score >= floor for result in results)
    none = {**SEARCH, "ranking_options": {"score_threshold": 1}}
    assert create(client, tools=[none], include=RESULTS).output[0].results == []


def test_results_name_the_files_of_the_vector_store(client) -> None:
    response = create(client, tools=[SEARCH], include=RESULTS)
    store = next(each for each in client.vector_stores.list() if each.name == "default")
    files = {file.id for file in client.vector_stores.files.list(store.id)}
    named = [*response.output[0].results, *response.output[1].content[0].annotations]
    assert {each.file_id for each in named} <= files
    for each in named:
        assert client.files.retrieve(each.file_id).filename == each.filename
