"""How a model's author wants its tokens picked."""

from typing import TYPE_CHECKING

from rag.types import Sampling

if TYPE_CHECKING:
    from transformers import GenerationConfig


def recommended_sampling(source: str) -> Sampling:
    """What the generation config at `source`, a folder or a hub name, has beside the usual; None elsewhere.

    As vLLM takes it by itself where it makes the text.

    Source: vLLM 0.32, `ModelConfig.get_diff_sampling_param`.
    """
    config = _generation_config(source)
    told = config.to_diff_dict() if config else {}
    return Sampling(
        temperature=told.get("temperature"),
        top_p=told.get("top_p"),
        top_k=told.get("top_k"),
        min_p=told.get("min_p"),
        repetition_penalty=told.get("repetition_penalty"),
        presence_penalty=told.get("presence_penalty"),
        frequency_penalty=told.get("frequency_penalty"),
    )


def _generation_config(source: str) -> "GenerationConfig | None":
    # A heavy import stays in here: `rag --help` must not load it.
    from transformers import AutoConfig, GenerationConfig

    try:
        return GenerationConfig.from_pretrained(source)
    except OSError:
        pass  # older models have it in their config
    try:
        return GenerationConfig.from_model_config(AutoConfig.from_pretrained(source))
    except (OSError, ValueError, KeyError):
        return None
