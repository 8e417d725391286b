"""Several answers, log probabilities and shapes of answers, through the official client: whole and as a stream."""

import json

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from tokenizers import Tokenizer

SAYS = (
    "The standard warranty lasts 26 months. [10] Nothing else is known [99].",
    "It lasts 26 months [10].",
    "No é idea.",
)


@pytest.fixture(scope="module")
def service(serve_fake, tiny_tokenizer_json):
    tokenizer = Tokenizer.from_str(tiny_tokenizer_json)

    def pieces(text: str) -> list[tuple[int, str]]:
        """The tokens of the tiny model, each with what it adds to the text."""
        ids, found, n_said = tokenizer.encode(text).ids, [], 0
        for n_ids in range(1, len(ids) + 1):
            said = tokenizer.decode(ids[:n_ids]).rstrip("\ufffd")
            found.append((ids[n_ids - 1], said[n_said:]))
            n_said = len(said)
        return found

    with serve_fake(SAYS, pieces=pieces) as (url, fake):
        yield url, fake


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


def ask(client: OpenAI, **options):
    messages = [{"role": "user", "content": "How long does the standard warranty last?"}]
    return client.chat.completions.create(model="tiny", messages=messages, **options)


def streamed(client: OpenAI, **options) -> dict:
    """A stream put together into the shape of a whole answer."""
    choices: dict[int, dict] = {}
    usage = rag = None
    for chunk in ask(client, stream=True, stream_options={"include_usage": True}, **options):
        rag = (chunk.model_extra or {}).get("rag", rag)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            one = choices.setdefault(
                choice.index, {"content": "", "annotations": [], "logprobs": [], "finish_reason": None, "roles": []}
            )
            assert one["finish_reason"] is None  # it is on the last one
            one["content"] += choice.delta.content or ""
            one["annotations"] += (choice.delta.model_extra or {}).get("annotations", [])
            one["logprobs"] += choice.logprobs.content if choice.logprobs else []
            one["finish_reason"] = choice.finish_reason
            one["roles"] += [choice.delta.role] if choice.delta.role else []
    return {"choices": choices, "usage": usage, "rag": rag}


def test_choices_have_their_own_text_citations_and_reason(service, client) -> None:
    n_before = len(service[1].prompts)
    answer = ask(client, n=3)
    assert len(service[1].prompts) == n_before + 1  # the prompt is sent once
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == [
        "The standard warranty lasts 26 months. [10] Nothing else is known.",
        SAYS[1],
        SAYS[2],
    ]
    cited = [[c for c in answer.model_extra["rag"]["citations"] if c["choice"] == index] for index in range(3)]
    for choice, citations in zip(answer.choices, cited, strict=True):
        text = choice.message.content
        assert len(choice.message.annotations) == len(citations)
        assert all(text[c["marker_start"] : c["marker_end"]] == c["marker"] for c in citations)
    assert cited[0]
    assert cited[1]
    assert not cited[2]
    problems = [each for each in answer.model_extra["rag"]["problems"] if each["problem"] == "unknown_marker"]
    at = len("The standard warranty lasts 26 months. [10] Nothing else is known")
    assert problems == [
        {"problem": "unknown_marker", "choice": 0, "marker": "[99]", "start": at, "end": at, "chunk_id": None}
    ]
    one = ask(client)
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens  # and counted once
    assert answer.usage.completion_tokens > one.usage.completion_tokens


@pytest.mark.parametrize("options", [{}, {"n": 3}, {"n": 2, "logprobs": True, "top_logprobs": 3}, {"max_tokens": 4}])
def test_a_stream_says_the_same_as_a_whole_answer(client, options) -> None:
    ask(client)  # what is reused later is the same for both
    whole: ChatCompletion = ask(client, **options)
    stream = streamed(client, **options)
    assert sorted(stream["choices"]) == [choice.index for choice in whole.choices]
    for choice in whole.choices:
        one = stream["choices"][choice.index]
        assert one["roles"] == ["assistant"]
        assert one["content"] == choice.message.content
        assert one["finish_reason"] == choice.finish_reason
        assert one["annotations"] == [annotation.to_dict() for annotation in choice.message.annotations]
        assert one["logprobs"] == (choice.logprobs.content if choice.logprobs else [])
    assert stream["usage"] == whole.usage
    assert stream["rag"]["citations"] == whole.model_extra["rag"]["citations"]
    assert stream["rag"]["retrieved"] == whole.model_extra["rag"]["retrieved"]


def test_log_probabilities_are_of_all_that_the_model_wrote(client) -> None:
    answer = ask(client, n=3, logprobs=True, top_logprobs=2)
    for choice, said in zip(answer.choices, SAYS, strict=True):
        assert bytes(byte for token in choice.logprobs.content for byte in token.bytes).decode() == said
        for token in choice.logprobs.content:
            assert [top.logprob for top in token.top_logprobs] == sorted(t.logprob for t in token.top_logprobs)[::-1]
            assert len(token.top_logprobs) == 2
    assert all(not token.top_logprobs for token in ask(client, logprobs=True).choices[0].logprobs.content)
    assert ask(client).choices[0].logprobs is None


def test_sampling_reaches_the_engine(service, client) -> None:
    options = {"seed": 7, "temperature": 0.5, "top_p": 0.9, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    ask(client, **options, logit_bias={"300": -100}, extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1})
    sampling = service[1].samplings[-1]
    assert {name: getattr(sampling, name) for name in options} == options
    assert sampling.logit_bias == {"300": -100}
    assert (sampling.top_k, sampling.min_p, sampling.repetition_penalty) == (5, 0.1, 1.1)
    assert sampling.max_tokens == 1024


def test_what_has_no_effect_is_accepted_and_metadata_comes_back(client) -> None:
    answer = ask(
        client,
        metadata={"run": "7"},
        store=True,
        service_tier="flex",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        extra_body={"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}},
        reasoning_effort="none",
        verbosity="medium",
        modalities=["text"],
    )
    assert answer.metadata == {"run": "7"}
    assert answer.service_tier == "default"
    assert ask(client).service_tier is None


class Warranty(BaseModel):
    """What a client wants to know."""

    months: int
    source: str


def test_json_is_not_changed(serve_fake) -> None:
    said = json.dumps({"months": 26, "source": "It says so [10]. And [99]."})
    with (
        serve_fake(said) as (url, fake),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        messages = [{"role": "user", "content": "How long does the standard warranty last?"}]
        parsed = client.chat.completions.parse(model="tiny", messages=messages, response_format=Warranty)
        assert parsed.choices[0].message.parsed == Warranty(months=26, source="It says so [10]. And [99].")
        schema = fake.samplings[-1].response_format["json_schema"]["schema"]
        assert schema["properties"]["months"]["type"] == "integer"
        stream = ask(client, response_format={"type": "json_object"}, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == said
        assert fake.samplings[-1].response_format == {"type": "json_object"}


def test_roles_and_parts(service, client) -> None:
    parts = [{"type": "text", "text": "How long is "}, {"type": "text", "text": "the warranty?"}]
    client.chat.completions.create(
        model="tiny:plain",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": parts, "name": "ann"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not say."}]},
            {"role": "user", "content": "Please."},
        ],
    )
    client.chat.completions.create(
        model="tiny:plain",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How long is the warranty?"},
            {"role": "assistant", "content": None, "refusal": "I will not say."},
            {"role": "user", "content": "Please."},
        ],
    )
    assert service[1].prompts[-1] == service[1].prompts[-2]
