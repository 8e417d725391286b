"""Chat completions through the official OpenAI client, streaming and not."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from openai import OpenAI

JSON = {"content-type": "application/json"}
ANSWER = "The standard warranty lasts 26 months. [10] Nothing else is known [99]."


@pytest.fixture(scope="module")
def service(serve_fake):
    with serve_fake(ANSWER) as (url, fake):
        yield url, fake


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


def ask(client, question="How long does the standard warranty last?", **options):
    return client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": question}], **options)


def test_an_answer_cites_the_source_at_its_offsets(service, client) -> None:
    answer = ask(client)
    text = answer.choices[0].message.content
    assert text == "The standard warranty lasts 26 months. [10] Nothing else is known."
    extension = answer.model_extra["rag"]
    citation = next(c for c in extension["citations"] if c["marker"] == "[10]")
    source = httpx2.get(f"{service[0]}/v1/sources/{citation['chunk_id']}").json()
    document = httpx2.get(f"{service[0]}/v1/sources/{citation['chunk_id']}/document").text
    assert document[source["source_start"] : source["source_end"]] == source["text"]
    assert text[citation["marker_start"] : citation["marker_end"]] == "[10]"
    assert text[citation["start"] : citation["end"]].startswith("The standard warranty")
    if citation["status"] != "unsupported":
        assert document[citation["source_start"] : citation["source_end"]] == citation["quote"]
    assert [each["marker"] for each in extension["problems"] if each["chunk_id"] is None] == ["[99]"]
    assert extension["collection"] == "default"
    assert [hit["rank"] for hit in extension["retrieved"]] == list(range(1, 11))
    annotation = answer.choices[0].message.annotations[0].url_citation
    assert text[annotation.start_index : annotation.end_index] == "[10]"
    assert httpx2.get(annotation.url).status_code == 200


def test_a_stream_says_the_same_as_a_whole_answer(client) -> None:
    whole = ask(client)
    text, annotations, extension, finish, roles, usage = "", [], None, None, [], None
    for chunk in ask(client, stream=True, stream_options={"include_usage": True}):
        if not chunk.choices:
            usage = chunk.usage
            continue
        assert chunk.usage is None
        delta = chunk.choices[0].delta
        roles.append(delta.role)
        text += delta.content or ""
        annotations += (delta.model_extra or {}).get("annotations", [])
        extension = (chunk.model_extra or {}).get("rag", extension)
        finish = chunk.choices[0].finish_reason or finish
    assert roles[0] == "assistant"
    assert text == whole.choices[0].message.content
    assert finish == whole.choices[0].finish_reason == "stop"
    assert extension["citations"] == whole.model_extra["rag"]["citations"]
    assert [a["url_citation"]["chunk_id"] for a in annotations] == [c["chunk_id"] for c in extension["citations"]]
    assert usage.prompt_tokens == whole.usage.prompt_tokens
    assert usage.prompt_tokens_details.cached_tokens is not None


def test_every_request_is_predicted(client) -> None:
    for question in ("Who sells it?", "What does E41 mean?", "What does E41 mean?"):
        reuse = ask(client, question).model_extra["rag"]["reuse"]
        assert reuse["cached_tokens"] == reuse["predicted_cached_tokens"]
        assert sum(segment["tokens"] for segment in reuse["segments"]) == reuse["prompt_tokens"]
        assert sum(segment["cached"] for segment in reuse["segments"]) == reuse["cached_tokens"]
    assert reuse["miss_reason"] is None
    assert reuse["prompt_tokens"] - reuse["cached_tokens"] <= 16


def test_a_conversation_extends_its_prefix(client) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long is the warranty?"}]
    first = client.chat.completions.create(model="tiny", messages=messages)
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "And in Norway?"},
    ]
    second = client.chat.completions.create(model="tiny", messages=messages)
    reuse = second.model_extra["rag"]["reuse"]
    # All of the first prompt but the words that opened its answer, and the block that they are in.
    assert reuse["cached_tokens"] >= first.usage.prompt_tokens - 2 * 16


def test_plain_is_the_bare_model(client) -> None:
    plain = client.chat.completions.create(model="tiny:plain", messages=[{"role": "user", "content": "Hello"}])
    off = ask(client, "Hello", extra_body={"rag": {"mode": "off"}})
    assert plain.usage.prompt_tokens == off.usage.prompt_tokens < 40
    assert plain.model_extra["rag"]["retrieved"] == []
    assert plain.choices[0].message.content == off.choices[0].message.content == ANSWER


def test_the_context_is_listed_on_request(client) -> None:
    context = ask(client, extra_body={"rag": {"include": ["context"]}}).model_extra["rag"]["context"]
    assert [shown["marker"] for shown in context[:3]] == ["[1]", "[2]", "[3]"]
    assert {shown["placed"] for shown in context} == {"prefix"}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"model": None}, "model", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"n": 17}, "n", "invalid_value"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", None),
        ({"logit_bias": {"2000000": 1}}, "logit_bias", "invalid_value"),
        ({"logit_bias": {"word": 1}}, "logit_bias", "invalid_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "invalid_parameter_combination"),
        ({"metadata": {"k" * 65: "v"}}, None, "invalid_value"),
        ({"service_tier": "gold"}, "service_tier", "invalid_value"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "unsupported_value"),
        ({"verbosity": "low"}, "verbosity", "unsupported_value"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_value"),
        ({"web_search_options": {}}, "web_search_options", "unsupported_value"),
        ({"functions": [{"name": "f"}]}, "functions", "unsupported_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"temprature": 1}, "temprature", "unknown_parameter"),
        ({"rag": {"colection": "x"}}, "rag.colection", "unknown_parameter"),
        ({"rag": {"top_k": 0}}, "rag.top_k", "invalid_value"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages", None),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "unsupported_value",
        ),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, None, "invalid_json"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "messages", "context_length_exceeded"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 9000}, "messages", "context_length_exceeded"),
        ({"stop": ["a"] * 5}, "stop", "invalid_value"),
        ({"stop": ["a", ""]}, "stop[1]", "invalid_value"),
        ({"stop": "x" * 501}, "stop", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 257}]},
            "messages[0].content",
            "invalid_value",
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(service, body, param, code) -> None:
    good = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    response = httpx2.post(f"{service[0]}/v1/chat/completions", content=json.dumps({**good, **body}), headers=JSON)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["code"] == code, error
    assert param is None or error["param"] == param, error
    assert error["type"] == "invalid_request_error"


def test_an_unknown_model_and_collection_are_404(client) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        ask(client, extra_body={"rag": {"collection": "nowhere"}})
    with pytest.raises(openai.NotFoundError):
        ask(client, extra_headers={"X-Rag-Collection": "nowhere"})


def test_sampling_parameters_reach_the_engine(client) -> None:
    assert ask(client, stop=["lasts"]).choices[0].message.content == "The standard warranty "
    short = ask(client, max_completion_tokens=2)
    assert short.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens == 2


def test_a_client_that_leaves_ends_the_work(serve_fake) -> None:
    with serve_fake("word " * 500, token_s=0.02) as (url, fake), OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        stream = ask(client, stream=True)
        next(iter(stream))
        stream.close()
        _wait_for(lambda: fake.n_cancelled == 1)
        with pytest.raises(openai.APITimeoutError):
            ask(client.with_options(timeout=0.5, max_retries=0))
        _wait_for(lambda: fake.n_cancelled == 2)


def test_an_engine_that_breaks_in_a_stream_ends_it_with_an_error_event(serve_fake) -> None:
    with (
        serve_fake(ANSWER, fail_after=4) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        with pytest.raises(openai.APIError, match="told to fail"):
            list(ask(client, stream=True))
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client)
        assert caught.value.status_code == 502
        assert caught.value.body["code"] == "engine_error"


def test_a_full_queue_answers_429_at_once(serve_fake) -> None:
    limits = {"server": {"max_concurrent": 1, "max_queue": 1}}
    with serve_fake("word " * 100, settings=limits, token_s=0.05) as (url, _):
        statuses: list[int] = []

        def post() -> None:
            body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 20}
            statuses.append(httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=60).status_code)

        threads = [threading.Thread(target=post) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, 200, 429, 429, 429]


def test_what_would_begin_too_late_is_told_when_to_come_back(serve_fake) -> None:
    limits = {"server": {"max_concurrent": 1, "first_token_objective_s": 0.3}}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 10}
    with serve_fake("word " * 100, settings=limits, token_s=0.02) as (url, _):

        def post(_: int) -> httpx2.Response:
            return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=60)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post, range(8)))  # nothing is known of the pace yet: all are taken
            answers = list(pool.map(post, range(16)))
        refused = [each for each in answers if each.status_code == 429]
        assert 0 < len(refused) < 16
        for each in refused:
            assert each.json()["error"]["code"] == "rate_limit_exceeded"
            assert "first_token_objective_s" in each.json()["error"]["message"]
            assert int(each.headers["retry-after"]) >= 1


def test_a_deadline_ends_an_answer(serve_fake) -> None:
    limits = {"server": {"request_timeout_s": 0.5}}
    with serve_fake("word " * 500, settings=limits, token_s=0.05) as (url, fake):
        body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
        response = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30)
        assert response.status_code == 504
        assert response.json()["error"]["code"] == "engine_timeout"
        _wait_for(lambda: fake.n_cancelled == 1)


def test_the_client_cannot_choose_its_salt(service, client) -> None:
    n_before = len(service[1].salts)
    ask(client)
    ask(client, extra_body={"cache_salt": "mine"})
    assert len(set(service[1].salts[n_before:])) == 1  # the group's
    assert "mine" not in service[1].salts


def _wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
