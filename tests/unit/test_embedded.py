"""The adapter of the embedded chat model: the packaged file is the one that the manifest tells of."""

import hashlib
import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest
from safetensors.torch import load
from torch import nn

from rag.errors import ConfigError
from rag.models.adapter import merge_packaged, packaged_adapter
from rag.models.embedded import BARE_CHAT_MODEL, CHAT_MODEL, describe_chat_model
from rag.render import load_parts
from rag.settings.recommended import recommended

MANIFEST = tomllib.loads((files("adapters") / "manifest.toml").read_text("utf-8"))["quoting"]


def test_the_packaged_adapter_is_small_and_whole() -> None:
    adapter = packaged_adapter()
    content = (files("adapters") / adapter.file).read_bytes()
    assert len(content) <= 12_000_000
    assert hashlib.sha256(content).hexdigest() == adapter.sha256
    tensors = load(content)
    pairs = [name for name in tensors if name.endswith(".lora_A.weight")]
    assert len(pairs) == 30 * 7  # layers, linear ones in each
    assert all(name.replace("lora_A", "lora_B") in tensors for name in pairs)


def test_what_is_recommended_is_what_it_was_trained_with() -> None:
    assert MANIFEST["layout"] == load_parts().layout, "train it anew: the prompt's stable parts have changed"
    assert recommended({})["prompt"] == {"pointed_out": MANIFEST["pointed_out"]}


def test_a_damaged_adapter_is_not_merged() -> None:
    with pytest.raises(ConfigError, match="is damaged"):
        merge_packaged(nn.Linear(2, 2), replace(packaged_adapter(), sha256="0" * 64))


def test_the_model_is_named_with_its_adapter() -> None:
    assert describe_chat_model(CHAT_MODEL) == "SmolLM2-135M-Instruct + prefixrag-lora 1"
    assert describe_chat_model(BARE_CHAT_MODEL) == "SmolLM2-135M-Instruct-bare"
    assert describe_chat_model("other/model") == "other/model"
