"""The planner on a real vLLM: bursts, ingests under load, conversations, warming."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

_COMPUTED = re.compile(r"^vllm:request_prefill_kv_computed_tokens_sum(?:\{.*\})? (\S+)$", re.MULTILINE)


def ask(service, messages, **options) -> dict:
    body = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    options = {"max_tokens": 8, "temperature": 0, **options}
    answer = service.client.chat.completions.create(model=service.model, messages=body, **options)
    return {**answer.model_extra["rag"], "answer": answer.choices[0].message.content}


def off_by(rag: dict) -> int:
    return abs(rag["reuse"]["cached_tokens"] - rag["reuse"]["predicted_cached_tokens"])


def computed_tokens(service) -> float:
    return sum(map(float, _COMPUTED.findall(httpx2.get(f"{service.engine_url}/metrics", timeout=30).text)))


def clear_cache(service) -> None:
    """Try until vLLM does: it refuses while a request holds blocks, and frees them after its answer."""
    deadline = time.monotonic() + 60
    while not httpx2.post(f"{service.engine_url}/reset_prefix_cache", timeout=30).is_success:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def segment(rag: dict, name: str) -> int:
    return next((each["tokens"] for each in rag["reuse"]["segments"] if each["name"] == name), 0)


def test_many_at_once_on_a_cold_prefix_compute_it_once(service) -> None:
    clear_cache(service)
    before = computed_tokens(service)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: ask(service, f"What is item number {n}?"), range(32)))
    prefix = max(segment(rag, "system") + segment(rag, "shared_prefix") for rag in answers)
    tails = sum(segment(rag, "tail") + segment(rag, "question") for rag in answers)
    # A prompt's last, partly filled block is computed with every request.
    assert computed_tokens(service) - before <= 1.3 * max(prefix, 3500) + tails + 32 * 32


def test_a_cleared_cache_is_warmed_again(service) -> None:
    ask(service, "How long is the warranty?")
    clear_cache(service)
    ask(service, "How long is the warranty?")  # vLLM tells of the clear with its next step
    httpx2.post(f"{service.url}/warm", json={}, timeout=60).raise_for_status()
    rag = ask(service, "What does error E41 mean?")
    assert rag["reuse"]["miss_reason"] is None
    assert segment(rag, "shared_prefix") > 2000


def test_an_ingest_under_load_disturbs_no_answer(service, tmp_path: Path) -> None:
    (tmp_path / "fees.md").write_text("# Fees\n\nA blue permit costs 12 crowns.\n")
    command = [
        sys.executable,
        "-m",
        "rag",
        "ingest",
        str(tmp_path),
        "-c",
        "moving",
        "--data-dir",
        str(service.data_dir),
    ]
    subprocess.run(command, check=True)
    collection = {"extra_body": {"rag": {"collection": "moving"}}}
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, service, f"What is fee {n}?", **collection) for n in range(8)]
        (tmp_path / "more.md").write_text("# More fees\n\nA red permit costs 90 crowns.\n")
        subprocess.run(command, check=True)
        running += [pool.submit(ask, service, f"What is fee {n}?", **collection) for n in range(8)]
        answers = [each.result() for each in running]
    assert {rag["generation"] for rag in answers} <= {1, 2}
    last = ask(service, "What is a red permit?", **collection)
    assert last["generation"] == 2
    assert last["retrieved"][0]["document"] == "more.md"
    assert off_by(last) <= 32


def test_conversations_extend_what_was_computed(service) -> None:
    for topic in ("warranty", "shipping", "alerts"):
        messages, previous = [], 0
        for question in (f"Tell me of {topic}.", "What does it cost?", "And how long?", "Who does it?"):
            messages.append({"role": "user", "content": question})
            rag = ask(service, messages)
            assert rag["reuse"]["cached_tokens"] >= previous - 32
            assert off_by(rag) <= 32
            previous = rag["reuse"]["prompt_tokens"]
            messages.append({"role": "assistant", "content": rag["answer"] or "Aye."})
