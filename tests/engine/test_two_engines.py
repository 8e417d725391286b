"""Two real vLLMs behind one service, one of which is killed. Two minutes on two cores: make test-replicas."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

from rag.bench.service import rag, running_service

pytestmark = [pytest.mark.replicas, pytest.mark.timeout(900)]

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
WITHIN_S = 300


@pytest.fixture
def url(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAG_ENGINE__MODEL", str(tiny_model))
    monkeypatch.setenv("RAG_ENGINE__COUNT", "2")
    monkeypatch.setenv("RAG_ENGINE__KV_CACHE_GIB", "1")
    monkeypatch.setenv("RAG_RETRIEVE__KEEP_RATIO", "0")
    data_dir = tmp_path / "data"
    rag("ingest", str(SAMPLE), "--data-dir", str(data_dir))
    with running_service(data_dir, log=tmp_path / "serve.log") as url:
        yield url


def engines(url: str) -> list[dict]:
    return httpx2.get(f"{url}/ready", timeout=60).json()["engines"]


def until(condition) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_killed_engine_costs_no_request_and_is_warm_when_it_is_back(url: str) -> None:
    until(lambda: all(engine["state"] == "ready" for engine in engines(url)))
    assert len({engine["pid"] for engine in engines(url)}) == 2
    model, stop = engines(url)[0]["model"], threading.Event()
    answered, failed = list[dict](), list[str]()

    def keep_asking(client: OpenAI, number: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            message = {"role": "user", "content": f"What is part {n % 9} of number {number * 1000 + n}?"}
            try:
                answer = client.chat.completions.create(model=model, messages=[message], max_tokens=8)
            except openai.APIError as error:
                failed.append(str(error))
            else:
                answered.append(answer.model_extra["rag"]["reuse"])

    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=120) as client:
        threads = [threading.Thread(target=keep_asking, args=(client, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(answered) >= 20)
            killed = max(engines(url), key=lambda engine: sum(engine["routed"].values()))
            os.kill(killed["pid"], signal.SIGKILL)

            def is_back() -> bool:
                found = next(engine for engine in engines(url) if engine["url"] == killed["url"])
                return found["restarts"] == 1 and found["state"] == "ready"

            until(is_back)
            n_before = len(answered)
            until(lambda: len(answered) >= n_before + 20)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    # What was computed before traffic is there for the first that come: nobody computes the whole prompt again.
    # Of a question that nothing was found for no engine is asked: its prompt is empty.
    assert [reuse for reuse in answered[n_before:] if reuse["prompt_tokens"] and not reuse["cached_tokens"]] == []
    routed = Counter({engine["url"]: sum(engine["routed"].values()) for engine in engines(url)})
    assert min(routed.values()) > 0, routed
