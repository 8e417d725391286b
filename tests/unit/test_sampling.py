"""What a model's author recommends is read where vLLM reads it."""

import json
from pathlib import Path

import pytest

from rag.models import recommended_sampling
from rag.types import Sampling


@pytest.mark.parametrize(
    ("told", "sampling"),
    [
        (
            {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.05},
            Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.05, repetition_penalty=1.05),
        ),
        ({"eos_token_id": [1, 2], "max_new_tokens": 2048, "do_sample": True}, Sampling()),
    ],
)
def test_a_generation_config_is_read(tmp_path: Path, told: dict[str, object], sampling: Sampling) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps(told))
    assert recommended_sampling(str(tmp_path)) == sampling


@pytest.mark.parametrize("config", [{"model_type": "llama"}, {"model_type": "nobody knows"}, None])
def test_without_one_nothing_is_recommended(tmp_path: Path, config: dict[str, object] | None) -> None:
    if config:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert recommended_sampling(str(tmp_path)) == Sampling()
