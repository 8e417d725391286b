"""Reuse through the whole service, on a fake engine with a real block cache."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from openai import OpenAI

REPLY = "The standard warranty lasts 26 months. [1]"


def ask(url: str, messages, **options) -> dict:
    """The `rag` object of an answer, and its text under `answer`."""
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        answer = client.chat.completions.create(model="tiny", messages=messages, **options)
    return {**answer.model_extra["rag"], "answer": answer.choices[0].message.content}


def segment(rag: dict, name: str) -> dict:
    return next((each for each in rag["reuse"]["segments"] if each["name"] == name), {"tokens": 0, "cached": 0})


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_warmed_prefix_serves_the_first_question(serve_fake) -> None:
    with serve_fake(REPLY, settings={"cache": {"warm": True}}) as (url, _):
        wait_for(lambda: "rag_engine_up" in httpx2.get(f"{url}/metrics").text)
        assert httpx2.post(f"{url}/warm", json={}).status_code == 200
        rag = ask(url, "How long is the warranty?")
        shared = segment(rag, "shared_prefix")
        assert shared["tokens"] > 2000
        assert shared["cached"] > shared["tokens"] - 16  # its last tokens share a block with the tail
        assert rag["reuse"]["miss_reason"] is None


def test_warming_computes_nothing_twice(serve_fake) -> None:
    with serve_fake(REPLY) as (url, _):
        first = httpx2.post(f"{url}/warm", json={"collection": "default"}).json()["warmed"]
        assert first[0]["collection"] == "default"
        assert first[0]["computed_tokens"] > 2000
        assert httpx2.post(f"{url}/warm", json={}).json()["warmed"][0]["computed_tokens"] == 0
        error = httpx2.post(f"{url}/warm", json={"collection": "nope"})
        assert (error.status_code, error.json()["error"]["code"]) == (404, "collection_not_found")


def test_requests_that_come_at_once_compute_the_prefix_once(serve_fake) -> None:
    with serve_fake(REPLY, uncached_token_s=0.0001) as (url, _), ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: ask(url, f"What is item number {n}?"), range(32)))
        reuse = [rag["reuse"] for rag in answers]
        computed = sum(each["prompt_tokens"] - each["cached_tokens"] for each in reuse)
        prefix = max(segment(rag, "system")["tokens"] + segment(rag, "shared_prefix")["tokens"] for rag in answers)
        tails = sum(segment(rag, "tail")["tokens"] + segment(rag, "question")["tokens"] for rag in answers)
        assert computed <= 1.3 * prefix + tails + 32 * 16


def test_a_conversation_extends_its_prompt_across_a_restart(serve_fake) -> None:
    messages, previous = [{"role": "system", "content": "Answer like a sailor."}], 0
    questions = ["How long is the warranty?", "And the frost alert?", "What does it cost?", "Who repairs it?"]
    settings = {"prompt": {"shared_prefix_tokens": 0, "topic_tokens": 0}, "cache": {"warm": False}}
    shown: list[str] = []
    for half in (questions[:2], questions[2:]):  # a service each, over one data directory
        with serve_fake(REPLY, settings=settings) as (url, _):
            engine_began_anew = True
            for question in half:
                messages.append({"role": "user", "content": question})
                rag = ask(url, messages, extra_body={"rag": {"include": ["context"]}})
                context = [each["chunk_id"] for each in rag["context"]]
                assert context[: len(shown)] == shown
                if not engine_began_anew:
                    assert rag["reuse"]["cached_tokens"] >= previous - 16
                    assert rag["reuse"]["miss_reason"] is None
                shown, previous, engine_began_anew = context, rag["reuse"]["prompt_tokens"], False
                messages.append({"role": "assistant", "content": rag["answer"]})
    assert len(shown) == len(set(shown))


def test_a_changed_history_is_named(serve_fake) -> None:
    with serve_fake(
        REPLY, settings={"prompt": {"shared_prefix_tokens": 0, "topic_tokens": 0}, "cache": {"warm": False}}
    ) as (url, _):
        first = {"role": "user", "content": "How long is the warranty for stations in the field?"}
        answer = ask(url, [first])["answer"]
        asked = [first, {"role": "assistant", "content": answer}, {"role": "user", "content": "And pumps?"}]
        assert ask(url, asked)["reuse"]["miss_reason"] is None
        edited = [{"role": "user", "content": "Who sells umbrellas, and for how much? " * 9}, *asked[1:]]
        assert ask(url, edited)["reuse"]["miss_reason"] == "history_edited"


def test_a_clock_in_the_system_message_is_named_and_put_last(serve_fake) -> None:
    with serve_fake(REPLY) as (url, _):

        def at(minute: int) -> dict:
            system = {"role": "system", "content": f"You work for Tidelark. It is 10:{minute:02}. " + "Be kind. " * 20}
            return ask(url, [system, {"role": "user", "content": "How long is the warranty?"}])

        reasons = [at(minute)["reuse"]["miss_reason"] for minute in range(4)]
        assert reasons[1] == "client_system_changed"
        assert reasons[-1] is None
        assert segment(at(5), "history")["tokens"] == 0


def test_what_was_sent_before_is_not_cold(serve_fake) -> None:
    with serve_fake(REPLY) as (url, _):
        reasons = [ask(url, question)["reuse"]["miss_reason"] for question in ("How long?", "How much?")]
        assert reasons == ["cold", None]
        assert 'rag_misses_total{collection="default",reason="cold"} 1.0' in httpx2.get(f"{url}/metrics").text


@pytest.mark.parametrize("keep_ratio", [0.0, 1.0])
def test_noise_is_retrieved_but_not_shown(serve_fake, keep_ratio: float) -> None:
    settings = {
        "prompt": {"shared_prefix_tokens": 0, "topic_tokens": 0},
        "retrieve": {"keep_ratio": keep_ratio},
        "cache": {"warm": False},
    }
    with serve_fake(REPLY, settings=settings) as (url, _):
        rag = ask(url, "How long is the warranty?")
        assert len(rag["retrieved"]) == 10
        shown = [hit["rank"] for hit in rag["retrieved"] if hit["placed"] == "tail"]
        assert shown == ([1] if keep_ratio else list(range(1, 11)))
