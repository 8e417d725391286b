"""Questions that nothing retrieved answers, over a real socket with the official client."""

import httpx2
import pytest
from openai import OpenAI

FRENCH = "Quelle est la capitale de la France ?"
NO_ANSWER = "Les documents ne contiennent pas de réponse à cette question."
STRICT = {"answers": {"min_evidence": 1.0}}  # nothing is good enough


@pytest.fixture(scope="module")
def strict(serve_fake):
    with (
        serve_fake("The documents do not say. [1] I do not know [2].", settings=STRICT) as (url, fake),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        yield url, fake, client


def ask(client: OpenAI, *contents: str, **options):
    roles = ("user", "assistant") * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return client.chat.completions.create(model="tiny", messages=messages, **options)


def test_the_engine_is_not_asked_what_nothing_answers(strict) -> None:
    url, fake, client = strict
    n_before = len(fake.prompts)
    answer = ask(client, FRENCH)
    assert len(fake.prompts) == n_before
    assert answer.choices[0].message.content == NO_ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (0, 0, 0)
    extension = answer.model_extra["rag"]
    assert extension["no_answer"] is True
    assert extension["citations"] == []
    assert len(extension["retrieved"]) == 10
    assert {hit["placed"] for hit in extension["retrieved"]} == {"none"}
    assert 'rag_no_answers_total{by="retrieval",collection="default"}' in httpx2.get(f"{url}/metrics").text


def test_a_refusal_streams_like_any_answer(strict) -> None:
    chunks = list(ask(strict[2], FRENCH, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == NO_ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].model_extra["rag"]["no_answer"] is True
    assert chunks[-1].usage.total_tokens == 0


def test_responses_refuse_as_well_and_say_what_was_found(strict) -> None:
    _, fake, client = strict
    n_before = len(fake.prompts)
    store = next(each.id for each in client.vector_stores.list() if each.name == "default")
    options = {"model": "tiny", "input": FRENCH, "include": ["file_search_call.results"]}
    tools = [{"type": "file_search", "vector_store_ids": [store]}]
    response = client.responses.create(**options, tools=tools)
    with client.responses.stream(**options, tools=tools) as stream:
        streamed = stream.get_final_response()
    assert len(fake.prompts) == n_before
    for one in (response, streamed):
        search, message = one.output
        assert len(search.results) == 10
        assert message.content[0].text == NO_ANSWER
        assert message.content[0].annotations == []
        assert one.status == "completed"
        assert one.usage.total_tokens == 0
        assert one.model_extra["rag"]["no_answer"] is True


def test_several_choices_are_refused_alike(strict) -> None:
    answer = ask(strict[2], FRENCH, n=2, logprobs=True)
    assert [choice.message.content for choice in answer.choices] == [NO_ANSWER, NO_ANSWER]


def test_quotes_are_refused_as_text_is(strict) -> None:
    answer = ask(strict[2], FRENCH, extra_body={"rag": {"answer": "quotes"}})
    assert answer.choices[0].message.content == NO_ANSWER


@pytest.mark.parametrize(
    ("contents", "options"),
    [
        (("Hello!",), {}),
        ((FRENCH, "Paris.", "Thanks, and what about the population of Berlin?"), {}),
        ((FRENCH,), {"response_format": {"type": "json_object"}}),
        ((FRENCH,), {"extra_body": {"rag": {"mode": "off"}}}),
    ],
)
def test_the_model_is_asked_where_more_than_documents_may_answer(strict, contents, options) -> None:
    _, fake, client = strict
    n_before = len(fake.prompts)
    ask(client, *contents, **options)
    assert len(fake.prompts) == n_before + 1


def test_the_model_is_asked_where_instructions_say_how(strict) -> None:
    _, fake, client = strict
    n_before = len(fake.prompts)
    messages = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": FRENCH}]
    client.chat.completions.create(model="tiny", messages=messages)
    assert len(fake.prompts) == n_before + 1


def test_a_model_that_says_it_does_not_know_cites_nothing(strict) -> None:
    url, _, client = strict
    whole = ask(client, "Hello!")
    extension = whole.model_extra["rag"]
    assert whole.choices[0].message.content.startswith("The documents do not say. [1]")
    assert (extension["no_answer"], extension["citations"]) == (True, [])
    assert whole.choices[0].message.annotations == []
    streamed = [chunk for chunk in ask(client, "Hello!", stream=True) if chunk.choices]
    assert not any((chunk.choices[0].delta.model_extra or {}).get("annotations") for chunk in streamed)
    assert streamed[-1].model_extra["rag"]["no_answer"] is True
    assert 'rag_no_answers_total{by="model",collection="default"}' in httpx2.get(f"{url}/metrics").text


def test_a_refusal_charges_a_key_nothing(serve_fake, data_dir, make_key) -> None:
    key = make_key("chat", limits={"tokens_per_minute": 1})
    settings = {**STRICT, "data_dir": data_dir}
    with serve_fake("x", settings=settings) as (url, _), OpenAI(base_url=f"{url}/v1", api_key=key) as client:
        answer = client.chat.completions.with_raw_response.create(
            model="tiny", messages=[{"role": "user", "content": FRENCH}]
        )
    assert answer.headers["x-ratelimit-remaining-tokens"] == "1"
    assert answer.parse().choices[0].message.content == NO_ANSWER


def test_switched_off_the_model_always_answers_and_is_not_judged(serve_fake) -> None:
    settings = {"answers": {"no_answer": "off", "min_evidence": 1.0}}
    with (
        serve_fake("The documents do not say.", settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any") as client,
    ):
        answer = ask(client, FRENCH)
    assert answer.choices[0].message.content == "The documents do not say."
    assert answer.model_extra["rag"]["no_answer"] is False
