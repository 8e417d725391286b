"""Two access groups, the same documents, one real vLLM: they share the text and not the cache."""

import json
import shutil
import subprocess
import sys

import pytest
from openai import OpenAI

from rag.bench.service import running_service

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION = "How long is the standard warranty?"


@pytest.fixture
def clients(service, tmp_path, monkeypatch):
    """A client for each of two groups, of a service with keys in front of the same engine."""
    data_dir = tmp_path / "data"
    shutil.copytree(service.data_dir, data_dir, ignore=shutil.ignore_patterns("run", "models"))
    keys = [_key(data_dir, group) for group in ("sales", "support")]
    monkeypatch.setenv("RAG_ENGINE__URLS", json.dumps([service.engine_url]))
    monkeypatch.setenv("RAG_CACHE__WARM", "false")
    with running_service(data_dir, log=tmp_path / "serve.log") as url:
        made = [OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) for key in keys]
        yield made
        for client in made:
            client.close()


def _key(data_dir, group) -> str:
    words = ("keys", "create", "--name", group, "--group", group, "--collections", "default", "--json")
    command = [sys.executable, "-m", "rag", *words, "--data-dir", str(data_dir)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["key"]


def test_groups_share_nothing_and_each_shares_all_with_itself(clients, service) -> None:
    block_size = service.ready()["engines"][0]["block_size"]
    for client in clients:
        first, second = (_reuse(client, service.model) for _ in range(2))
        assert first["cached_tokens"] == first["predicted_cached_tokens"] == 0
        assert second["cached_tokens"] == second["predicted_cached_tokens"]
        assert second["cached_tokens"] >= second["prompt_tokens"] - block_size
    assert first["miss_reason"] == "other_group"


def _reuse(client, model) -> dict:
    body = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model=model, messages=body, max_tokens=4, temperature=0)
    return answer.model_extra["rag"]["reuse"]
