"""Completions of the bare model through the official client, and the names of models."""

import re
from collections import Counter

import httpx2
import openai
import pytest
from openai import OpenAI

SAID = "one two three four"


@pytest.fixture(scope="module")
def service(serve_fake):
    settings = {"models": {"aliases": {"gpt-4o": "tiny", "org/tiny-chat": "tiny", "text-embedding-3-small": "fake"}}}
    with serve_fake((SAID, "five six"), settings=settings) as (url, fake):
        yield url, fake


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_a_prompt_is_continued_without_documents(service, client) -> None:
    completion = client.completions.create(model="gpt-4o", prompt="Count: ")
    assert completion.object == "text_completion"
    assert completion.id.startswith("cmpl-")
    assert [(choice.index, choice.text, choice.finish_reason) for choice in completion.choices] == [(0, SAID, "stop")]
    assert completion.usage.prompt_tokens == len(service[1].prompts[-1]) < 10
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.usage.prompt_tokens_details.cached_tokens == 0
    assert service[1].samplings[-1].max_tokens == 16


def test_each_prompt_has_n_choices_in_order(client) -> None:
    completion = client.completions.create(model="tiny", prompt=["a b", "c d", "e f"], n=2, echo=True)
    assert [choice.index for choice in completion.choices] == list(range(6))
    assert [choice.text for choice in completion.choices] == [
        f"{prompt}{said}" for prompt in ("a b", "c d", "e f") for said in (SAID, "five six")
    ]


def test_a_stream_says_the_same_as_a_whole_answer(client) -> None:
    asked = {"model": "tiny", "prompt": ["a b", "c d"], "n": 2, "logprobs": 2, "max_tokens": 3}
    whole = client.completions.create(**asked)
    texts, told, reasons, usage = {}, {}, {}, None
    for chunk in client.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            told.setdefault(choice.index, []).extend(choice.logprobs.tokens if choice.logprobs else [])
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert [texts[index] for index in range(4)] == [choice.text for choice in whole.choices]
    assert [told[index] for index in range(4)] == [choice.logprobs.tokens for choice in whole.choices]
    assert [reasons[index] for index in range(4)] == [choice.finish_reason for choice in whole.choices]
    assert usage.completion_tokens == whole.usage.completion_tokens == 3 * 4
    assert all(len(top) == 2 for top in whole.choices[0].logprobs.top_logprobs)


def test_token_ids_are_the_served_models(service, client) -> None:
    client.completions.create(model="tiny", prompt=[300, 301, 302])
    assert service[1].prompts[-1] == (300, 301, 302)
    client.completions.create(model="tiny", prompt=[[300], [301, 302]])
    assert set(service[1].prompts[-2:]) == {(300,), (301, 302)}
    with pytest.raises(openai.BadRequestError, match="2000000"):
        client.completions.create(model="tiny", prompt=[2000000])


def test_the_salt_is_the_groups(service, client) -> None:
    client.chat.completions.create(model="tiny:plain", messages=[{"role": "user", "content": "Hello"}])
    client.completions.create(model="tiny", prompt="Hello", extra_body={"cache_salt": "mine"})
    assert service[1].salts[-1] == service[1].salts[-2]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"best_of": 3}, "best_of", "unsupported_value"),
        ({"suffix": "end"}, "suffix", "unsupported_value"),
        ({"logprobs": 6}, "logprobs", "invalid_value"),
        ({"echo": True, "logprobs": 1}, "echo", "unsupported_value"),
        ({"prompt": []}, "prompt", "invalid_value"),
        ({"prompt": ["a", ""]}, "prompt", "invalid_value"),
        ({"prompt": ["a"] * 129}, "prompt", "invalid_value"),
        ({"prompt": "word " * 9000}, "prompt", "context_length_exceeded"),
        ({"messages": []}, "messages", "unknown_parameter"),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(service, body, param, code) -> None:
    answer = httpx2.post(f"{service[0]}/v1/completions", json={"model": "tiny", "prompt": "Hello", **body})
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert (error["param"], error["code"]) == (param, code), error


def test_an_engine_that_breaks_is_said_so_and_counts_for_the_alias(serve_fake) -> None:
    alias = {"models": {"aliases": {"chat": "tiny"}}}
    with (
        serve_fake(SAID, fail_after=2, settings=alias) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="told to fail"):
            client.completions.create(model="chat", prompt=["a", "b", "c"])
        with pytest.raises(openai.APIError, match="told to fail"):
            list(client.completions.create(model="chat", prompt="a", stream=True))
        assert answers(url) == {'alias="chat",model="tiny",outcome="failed"': 2}


def test_a_completion_counts_once_for_the_alias_that_it_named(service, client) -> None:
    before = answers(service[0])
    client.completions.create(model="org/tiny-chat", prompt=["a b", "c d", "e f"], n=2)
    list(client.completions.create(model="org/tiny-chat", prompt="a b", stream=True))
    client.completions.create(model="tiny", prompt="a b")
    assert answers(service[0]) - before == {'alias="org/tiny-chat",model="tiny",outcome="completed"': 2}


def answers(url: str) -> Counter[str]:
    """What aliases were answered, by the labels of the metric."""
    told = re.findall(r"^rag_alias_answers_total\{(.*)\} (.*)$", httpx2.get(f"{url}/metrics").text, re.MULTILINE)
    return Counter({labels: int(float(n)) for labels, n in told})


def test_models_are_listed_and_found_by_their_names(client) -> None:
    ids = [model.id for model in client.models.list()]
    assert ids[:3] == ["tiny", "gpt-4o", "org/tiny-chat"]
    for name in (*ids, "org/tiny-chat:plain", "gpt-4o:plain"):
        model = client.models.retrieve(name)
        assert (model.id, model.object, model.owned_by) == (name, "model", "prefixrag")
        assert model.created == client.models.retrieve("tiny").created


def test_a_model_that_is_not_there_is_a_404_and_none_is_deleted(client) -> None:
    embedding = client.models.list().data[-1].id
    for ask in (
        lambda: client.models.retrieve("gpt-9"),
        lambda: client.models.retrieve(f"{embedding}:plain"),
        lambda: client.completions.create(model="gpt-9", prompt="x"),
        lambda: client.completions.create(model=embedding, prompt="x"),
        lambda: client.chat.completions.create(model=embedding, messages=[{"role": "user", "content": "x"}]),
        lambda: client.embeddings.create(model="tiny", input="x"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"
    with pytest.raises(openai.APIStatusError) as refused:
        client.models.delete("org/tiny-chat")
    assert refused.value.status_code == 405
    assert refused.value.body["type"] == "invalid_request_error"
