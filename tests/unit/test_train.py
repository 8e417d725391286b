"""What the adapter is trained on, that it learns, and that merging it gives the very model that has learned."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from rag.models.adapter import merge
from rag.train.answer import answers
from rag.train.learn import Options, change, learn
from rag.train.packed import Packed, read_packed, write_packed

END = 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a few thousand weights in the format of the embedded one."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base")
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        pad_token_id=END,
        eos_token_id=END,
        bos_token_id=1,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def samples() -> Packed:
    """Twelve prompts of different lengths; the answer to each is its fourth token, twice."""
    ids: list[int] = []
    weights: list[int] = []
    starts, begins = [0], []
    for row in range(12):
        prompt = [10, 11, 12, 20 + row, *range(40, 44 + row % 3)]
        answer = [20 + row, 20 + row, END]
        begins.append(starts[-1] + len(prompt))
        ids += prompt + answer
        weights += [0] * len(prompt) + [2, 1, 1]
        starts.append(len(ids))
    return Packed(
        ids=np.array(ids, np.uint16),
        weights=np.array(weights, np.uint8),
        starts=np.array(starts),
        answers=np.array(begins),
        kinds=["copy"] * 12,
    )


def test_what_was_packed_is_read_again(samples: Packed, tmp_path: Path) -> None:
    write_packed(samples, tmp_path / "samples.xz")
    read = read_packed(tmp_path / "samples.xz")
    assert read.kinds == samples.kinds
    for name in ("ids", "weights", "starts", "answers"):
        assert np.array_equal(getattr(read, name), getattr(samples, name))


def test_it_learns_and_the_merged_model_is_the_one_that_learned(base: Path, samples: Packed, tmp_path: Path) -> None:
    options = Options(rank=8, rate=2e-2, epochs=60, batch_tokens=128)
    learned = learn(base, samples, options, lambda _: None)
    save_file(change(learned), tmp_path / "adapter.safetensors")

    bare = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    merged = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    merge(merged, tmp_path / "adapter.safetensors")

    wanted = [[20 + row, 20 + row] for row in range(12)]
    said = {
        name: answers(model, samples, end=END, max_tokens=2, told=lambda _: None)
        for name, model in (("bare", bare), ("learned", learned), ("merged", merged))
    }
    assert said["merged"] == said["learned"] == wanted
    assert said["bare"] != wanted


def test_a_run_ends_when_its_time_is_up(base: Path, samples: Packed) -> None:
    steps: list[str] = []
    learned = learn(base, samples, Options(epochs=10_000, seconds=0.0), steps.append)
    assert steps == []
    assert not any(up.any() for name, up in change(learned).items() if name.endswith("lora_B.weight"))
