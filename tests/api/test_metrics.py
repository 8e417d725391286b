"""What `/metrics` counts is what clients saw."""

import shutil
import time

import httpx2
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

REPLY = "It lasts two years [1]."


def scraped(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    text = httpx2.get(f"{url}/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples, name: str, **labels: str) -> float:
    """The sum of a metric over all samples that have these labels."""
    return sum(value for (each, has), value in samples.items() if each == name and labels.items() <= set(has))


def test_counters_equal_what_the_client_was_told(serve_fake) -> None:
    with (
        serve_fake(REPLY, settings={"server": {"first_token_objective_s": 60}}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        told = [
            client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": question}])
            for question in ("How long is the warranty?", "What is E41?", "How long is the warranty?")
        ]
        plain = client.completions.create(model="tiny:plain", prompt="Once upon a time")
        refused = httpx2.post(f"{url}/v1/chat/completions", json={"model": "tiny", "messages": []})
        samples = scraped(url)

    reuse = [answer.model_extra["rag"]["reuse"] for answer in told]
    of_default = {"collection": "default"}
    assert total(samples, "rag_prompt_tokens_total", **of_default) == sum(each.usage.prompt_tokens for each in told)
    assert total(samples, "rag_prompt_tokens_total", collection="") == plain.usage.prompt_tokens
    for name in ("cached_tokens", "predicted_cached_tokens"):
        assert total(samples, f"rag_{name}_total", **of_default) == sum(each[name] for each in reuse) > 0
    missed = [each["miss_reason"] for each in reuse if each["miss_reason"]]
    assert total(samples, "rag_misses_total", **of_default, reason="cold") == missed.count("cold") == 1
    assert total(samples, "rag_first_tokens_total", objective="kept", priority="normal") == 4
    assert total(samples, "rag_requests_total", route="/v1/chat/completions", status="200") == 3
    assert total(samples, "rag_requests_total", status=str(refused.status_code)) == 1
    for stage in ("queue", "retrieve", "compose", "engine", "generate", "cite"):
        assert total(samples, "rag_stage_seconds_count", stage=stage) == 3
    took_s = sum(
        total(samples, "rag_stage_seconds_sum", stage=each) for each in ("queue", "retrieve", "compose", "engine")
    )
    assert took_s <= total(samples, "rag_first_token_seconds_sum")
    assert total(samples, "rag_engine_up") == 1
    assert total(samples, "rag_in_flight_requests") == total(samples, "rag_held_tokens") == 0


def test_a_missed_objective_is_counted(serve_fake) -> None:
    with serve_fake(REPLY, settings={"server": {"first_token_objective_s": 1e-6}}) as (url, _):
        body = {"model": "tiny", "messages": [{"role": "user", "content": "How long is the warranty?"}]}
        httpx2.post(f"{url}/v1/chat/completions", json=body).raise_for_status()
        samples = scraped(url)

    assert total(samples, "rag_first_tokens_total", objective="missed", priority="normal") == 1


def test_what_was_indexed_and_what_failed(serve_fake, data_dir) -> None:
    with (
        serve_fake(REPLY, settings={"data_dir": data_dir}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        store = client.vector_stores.create(name="notes")
        for name, content in (("good.txt", b"The tide sensor beeps twice."), ("empty.txt", b"")):
            file = client.files.create(file=(name, content), purpose="assistants")
            client.vector_stores.files.create(vector_store_id=store.id, file_id=file.id)
        until(lambda: client.vector_stores.retrieve(store.id).file_counts.in_progress == 0)
        until(lambda: total(scraped(url), "rag_indexed_files_total") == 2)
        samples = scraped(url)
        client.vector_stores.delete(store.id)
        after = scraped(url)

    assert total(samples, "rag_indexed_files_total", outcome="completed") == 1
    assert total(samples, "rag_indexed_files_total", outcome="failed") == 1
    assert total(samples, "rag_embedded_chunks_total") == 1
    assert total(samples, "rag_indexing_seconds_total", stage="publish") > 0
    assert total(samples, "rag_collection_documents", collection="notes") == 1
    assert total(samples, "rag_collection_generation", collection="notes") >= 1
    assert abs(total(samples, "rag_collection_published_timestamp_seconds", collection="notes") - time.time()) < 600
    assert total(after, "rag_collection_documents", collection="notes") == 0
    assert total(after, "rag_collection_documents", collection="default") > 0
    assert total(samples, "rag_data_disk_size_bytes") == shutil.disk_usage(data_dir).total


def until(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
