"""Reuse on a real vLLM: what is predicted is what happens."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTIONS = [
    "How long is the warranty?",
    "What does error E41 mean?",
    "How much is express shipping?",
    "How long is the warranty?",
]


def ask(service, messages, **options):
    body = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    options = {"max_tokens": 40, "temperature": 0, **options}
    return service.client.chat.completions.create(model=service.model, messages=body, **options)


def check_prediction(service, answer) -> dict:
    """The reuse of an answer, after the check that every test here makes."""
    reuse = answer.model_extra["rag"]["reuse"]
    block_size = service.ready()["engines"][0]["block_size"]
    assert abs(reuse["cached_tokens"] - reuse["predicted_cached_tokens"]) <= block_size, reuse
    assert reuse["cached_tokens"] == answer.usage.prompt_tokens_details.cached_tokens
    return reuse


def test_the_engine_is_proven_to_reuse(service) -> None:
    engine = service.ready()["engines"][0]
    assert (engine["state"], engine["reuse"], engine["block_size"]) == ("ready", "on", 32)
    assert engine["kv_tokens"] > 10_000


def test_every_user_shares_the_documents(service) -> None:
    for question in QUESTIONS:
        reuse = check_prediction(service, ask(service, question))
    shared = next(segment for segment in reuse["segments"] if segment["name"] == "shared_prefix")
    assert shared["tokens"] > 2000
    assert shared["cached"] == shared["tokens"]
    assert reuse["miss_reason"] is None


def test_a_conversation_is_computed_once(service) -> None:
    messages = [{"role": "system", "content": "Answer like a sailor."}]
    previous = 0
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        answer = ask(service, messages)
        reuse = check_prediction(service, answer)
        assert reuse["cached_tokens"] >= previous - 2 * 32
        previous = answer.usage.prompt_tokens
        messages.append({"role": "assistant", "content": answer.choices[0].message.content or "Aye."})


def test_streams_plain_chats_and_long_answers_are_predicted_too(service) -> None:
    for _ in range(2):
        plain = [{"role": "user", "content": "Tell me of the sea. " * 20}]
        model = f"{service.model}:plain"
        answer = service.client.chat.completions.create(model=model, messages=plain, max_tokens=100)
        check_prediction(service, answer)
        chunks = list(ask(service, "Is there a warranty?", stream=True, stream_options={"include_usage": True}))
        reuse = next(chunk.model_extra["rag"] for chunk in chunks if "rag" in (chunk.model_extra or {}))["reuse"]
        assert abs(reuse["cached_tokens"] - reuse["predicted_cached_tokens"]) <= 32
        assert chunks[-1].usage.prompt_tokens_details.cached_tokens == reuse["cached_tokens"]


def test_many_at_once_over_a_warm_prefix(service) -> None:
    httpx2.post(f"{service.url}/warm", json={}, timeout=60).raise_for_status()
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda n: ask(service, f"What does error code E{n} mean?"), range(16)):
            reuse = check_prediction(service, answer)
            assert reuse["cached_tokens"] > 2000


def test_sampling_parameters_reach_vllm(service) -> None:
    first = ask(service, "Say something.", temperature=1, seed=11)
    assert (
        ask(service, "Say something.", temperature=1, seed=11).choices[0].message.content
        == first.choices[0].message.content
    )
    assert ask(service, "Say something.", max_tokens=3).usage.completion_tokens == 3
    schema = {
        "type": "json_schema",
        "json_schema": {
            "name": "x",
            "schema": {
                "type": "object",
                "properties": {"a": {"enum": [1]}},
                "required": ["a"],
                "additionalProperties": False,
            },
        },
    }
    text = ask(service, "JSON?", response_format=schema, max_tokens=200).choices[0].message.content
    assert text.strip().startswith("{")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(
            service,
            "x",
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "none"}}},
        )
    assert caught.value.body["type"] == "invalid_request_error"


def test_the_longest_prompt_that_fits_is_taken_and_the_next_refused(service) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(service, "word " * 9000)
    assert caught.value.code == "context_length_exceeded"
    # Too long for the shared prefix beside it, short enough for the window without.
    answer = ask(service, "zzz " * 1500, max_tokens=5)
    assert answer.usage.prompt_tokens + 5 <= 8192


def test_a_client_that_leaves_frees_the_engine(service) -> None:
    endless = {"2": -100}  # no end-of-turn token, so the answer would go on to its limit
    wait_until_idle(service)
    made = engine_metric(service, "vllm:generation_tokens_total")
    messages = [{"role": "user", "content": "Talk on."}]
    stream = service.client.chat.completions.create(
        model=f"{service.model}:plain", messages=messages, stream=True, max_tokens=8000, logit_bias=endless
    )
    for _ in range(4):
        next(stream)
    stream.close()
    wait_until_idle(service)
    assert engine_metric(service, "vllm:generation_tokens_total") - made < 7500  # of 8,000 that were asked for


def wait_until_idle(service) -> None:
    deadline, made, was_made = time.monotonic() + 30, 0.0, -1.0
    while made != was_made or engine_metric(service, "vllm:num_requests_running"):
        assert time.monotonic() < deadline
        time.sleep(0.5)  # vLLM's gauges follow its steps with a delay
        made, was_made = engine_metric(service, "vllm:generation_tokens_total"), made


def engine_metric(service, name: str) -> float:
    metrics = httpx2.get(f"{service.engine_url}/metrics", timeout=30).text
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(f"{name}{{"))


def test_quotes_are_the_source_text_at_their_offsets(service) -> None:
    checked = 0
    for question in QUESTIONS:
        for citation in ask(service, question).model_extra["rag"]["citations"]:
            if citation["quote"] is not None:
                document = httpx2.get(citation["url"].replace("?", "/document?", 1)).text
                assert document[citation["source_start"] : citation["source_end"]] == citation["quote"]
                checked += 1
    hits = ask(service, QUESTIONS[0]).model_extra["rag"]["retrieved"]
    for hit in hits:
        source = httpx2.get(f"{service.url}/v1/sources/{hit['chunk_id']}").json()
        document = httpx2.get(f"{service.url}/v1/sources/{hit['chunk_id']}/document").text
        assert document[source["source_start"] : source["source_end"]] == source["text"]
        checked += 1
    assert checked >= 8


def test_real_embeddings_through_the_official_client(service) -> None:
    texts = ["refund of a sealed product", "return policy", "tide sensor error"]
    vectors = [item.embedding for item in service.client.embeddings.create(model="all-MiniLM-L6-v2", input=texts).data]
    dots = [sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors]
    assert dots[0] == pytest.approx(1, abs=1e-3)
    assert dots[1] > dots[2]
