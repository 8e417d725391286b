"""What fits on a GPU, against published sizes of known models and what vLLM said of its own cache."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.capacity import PRECISIONS, Gpus, Load, Shape, fit, read_shape
from rag.errors import ConfigError

LLAMA_8B = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}  # fmt: skip
QWEN3_06B = {
    "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "head_dim": 128,
    "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936, "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}  # fmt: skip
MIXTRAL_8X7B = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "vocab_size": 32000,
    "max_position_embeddings": 32768, "tie_word_embeddings": False,
}  # fmt: skip
DEEPSEEK_V3_LIKE = {
    "model_type": "deepseek_v3", "hidden_size": 256, "intermediate_size": 512, "moe_intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1, "kv_lora_rank": 64, "q_lora_rank": 96,
    "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32, "vocab_size": 1000, "first_k_dense_replace": 1,
    "max_position_embeddings": 4096,
}  # fmt: skip
GEMMA3_LIKE = {
    "model_type": "gemma3_text", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 1000, "sliding_window": 512,
    "layer_types": ["sliding_attention"] * 5 + ["full_attention"], "max_position_embeddings": 8192,
}  # fmt: skip

Read = Callable[[dict[str, object]], Shape]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(config: dict[str, object]) -> Shape:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return read_shape(str(tmp_path), "a model")

    return read


# Published counts; bytes of a token's keys and values: 2 (keys, values) x layers x heads x width x 2 bytes.
@pytest.mark.parametrize(
    ("config", "n_parameters", "kv_bytes"),
    [
        (LLAMA_8B, 8_030_261_248, 2 * 32 * 8 * 128 * 2),
        (QWEN3_06B, 596_049_920, 2 * 28 * 8 * 128 * 2),
        (MIXTRAL_8X7B, 46_702_792_704, 2 * 32 * 8 * 128 * 2),
    ],
)
def test_sizes_of_known_models(read: Read, config: dict[str, object], n_parameters: int, kv_bytes: int) -> None:
    shape = read(config)

    assert shape.n_parameters == n_parameters
    assert shape.kv_bytes() == kv_bytes
    assert shape.notes == ()


def test_latent_keys_and_values_are_one_vector_that_each_gpu_holds_whole(read: Read) -> None:
    shape = read(DEEPSEEK_V3_LIKE)

    assert shape.kv_bytes(1) == shape.kv_bytes(4) == 4 * (64 + 16) * 2


def test_heads_are_divided_among_gpus_and_copied_where_they_are_fewer(read: Read) -> None:
    shape = read(LLAMA_8B)

    assert [shape.kv_bytes(n) * n // shape.kv_bytes() for n in (1, 2, 4, 8)] == [1, 1, 1, 1]
    assert shape.kv_bytes(16) == shape.kv_bytes(8)
    assert [n for n in range(1, 9) if shape.can_divide(n)] == [1, 2, 4, 8]


def test_layers_that_do_not_look_back_far_are_told(read: Read) -> None:
    (note,) = read(GEMMA3_LIKE).notes

    assert note.startswith("5 layers look back 512 tokens only")


def test_kv_cache_of_an_8b_model_is_what_vllm_gave_it(read: Read) -> None:
    """VLLM 0.25.1 on an H200 (140.4 GiB, utilization 0.9) said: 891,712 tokens."""
    found = fit(read(LLAMA_8B), PRECISIONS[0], Gpus(memory_gib=140.4, utilization=0.9), tensor_parallel=1)

    assert found.kv_tokens == pytest.approx(891_712, rel=0.03)


def test_precisions_shrink_the_linear_layers_alone(read: Read) -> None:
    shape = read(LLAMA_8B)
    bf16, fp8, int4 = (each.weight_bytes(shape) for each in PRECISIONS)
    tables = 2 * 128256 * 4096 * 2  # of tokens, in and out, and the norms

    assert bf16 == 2 * shape.n_parameters
    assert fp8 - tables == pytest.approx((bf16 - tables) / 2, rel=0.001)
    assert int4 - tables == pytest.approx((bf16 - tables) * (4 + 20 / 128) / 16, rel=0.001)


def test_a_model_that_is_too_large_leaves_nothing(read: Read) -> None:
    found = fit(read(MIXTRAL_8X7B), PRECISIONS[0], Gpus(memory_gib=24), tensor_parallel=1)

    assert (found.kv_tokens, found.holds(1)) == (0, False)


def test_sharing_a_prefix_fits_more_users() -> None:
    load = Load(document_tokens=500, prefix_tokens=4000, own_tokens=1000, prefix_share=0.6)

    assert load.n_users_alone(100_000) == 20
    assert load.n_users(100_000) == 96
    assert (load.n_documents(100_000), load.n_users_beside(100_000)) == (120, 40)
    assert load.n_users(3000) == load.n_users_beside(3000) == 0


@pytest.mark.parametrize("text", ["{", "{}", '{"model_type": "no-such-model"}'])
def test_a_configuration_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)

    with pytest.raises(ConfigError, match=r"hf download some/model config\.json"):
        read_shape(str(tmp_path), "some/model")
