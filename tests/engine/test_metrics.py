"""The service's counters against those of a real vLLM."""

import re
import time
from pathlib import Path

import httpx2
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

DASHBOARDS = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
PAIRS = {
    "rag_prompt_tokens_total": "vllm:prompt_tokens_total",
    "rag_cached_tokens_total": "vllm:prefix_cache_hits_total",
}
QUESTIONS = ("How long is the warranty?", "What does error E41 mean?", "How long is the warranty?")


def total(url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    lines = httpx2.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


def settled(service) -> dict[str, float]:
    """The engine's counters once they stand still: they follow its steps with a delay."""
    end, before = time.monotonic() + 60, None
    while True:
        now = {name: total(service.engine_url, name) for name in PAIRS.values()}
        if now == before and not total(service.engine_url, "vllm:num_requests_running"):
            return now
        assert time.monotonic() < end
        before = now
        time.sleep(1)


def test_the_services_counters_grow_as_those_of_vllm_do(service) -> None:
    httpx2.post(f"{service.url}/warm", json={}, timeout=60).raise_for_status()  # so nothing is warmed meanwhile
    vllm_before = settled(service)
    before = {name: total(service.url, name) for name in PAIRS}
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        service.client.chat.completions.create(model=service.model, messages=messages, max_tokens=20)
    service.client.completions.create(model=f"{service.model}:plain", prompt="Once upon a time", max_tokens=4)
    vllm_after = settled(service)

    for name, its_name in PAIRS.items():
        grown = total(service.url, name) - before[name]
        assert grown == vllm_after[its_name] - vllm_before[its_name], name
        assert grown > len(QUESTIONS) * 2000  # the shared prefix alone


def test_dashboards_name_metrics_that_vllm_has(service) -> None:
    named = {name for file in DASHBOARDS.glob("*.json") for name in re.findall(r"vllm:\w+", file.read_text("utf-8"))}
    has = set(re.findall(r"^(vllm:\w+)", httpx2.get(f"{service.engine_url}/metrics", timeout=30).text, re.MULTILINE))

    assert len(named) > 5
    assert named <= has
