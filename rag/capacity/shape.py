"""A model's sizes, from its configuration alone."""

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rag.errors import ConfigError

_BYTES_BF16 = 2
# What stays in bfloat16 when a checkpoint is quantised: tables of tokens, and the projection onto them.
_KEPT = ("embed", "lm_head", "wte", "wpe", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What sizes follow from. Counts are of numbers, not bytes."""

    name: str
    n_parameters: int
    n_linear: int  # of them in linear layers, which quantised checkpoints store in fewer bits
    hidden: int
    widest: int  # inner width of a feed-forward layer
    vocabulary: int
    heads: int
    kv_heads: int
    kv_values: int  # keys and values of one token in one layer; of one latent vector (MLA) its length
    is_latent: bool  # the keys and values of all heads are one vector, which tensor parallelism does not divide
    n_caching_layers: int  # that keep keys and values of every token
    window_tokens: int
    notes: tuple[str, ...]  # what the figures leave out

    def kv_bytes(self, tensor_parallel: int = 1, *, bytes_each: int = _BYTES_BF16) -> int:
        """Bytes of keys and values of one token on each of `tensor_parallel` GPUs.

        Heads are divided among the GPUs; where there are fewer heads than GPUs, each GPU has a copy of one.
        """
        values = self.kv_values
        if not self.is_latent:
            values = values // self.kv_heads * max(1, self.kv_heads // tensor_parallel)
        return self.n_caching_layers * values * bytes_each

    def can_divide(self, tensor_parallel: int) -> bool:
        """Whether vLLM can divide the model's heads among so many GPUs."""
        fits_kv = self.kv_heads % tensor_parallel == 0 or tensor_parallel % self.kv_heads == 0
        return self.heads % tensor_parallel == 0 and (self.is_latent or fits_kv)


def read_shape(source: str, name: str) -> Shape:
    """The sizes of the model at `source`, a folder or a hub name whose config.json this machine has or can fetch.

    The model is built without memory for its weights (torch's meta device), so every architecture that transformers
    knows is counted exactly.

    Raises:
        ConfigError: its configuration cannot be read, or is of a kind that transformers does not know.
    """
    # Heavy imports stay in here: `rag --help` must not load torch.
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config: Any = AutoConfig.from_pretrained(source).get_text_config()  # Any: each architecture has its own
        is_quantised = bool(getattr(config, "quantization_config", None))
        if is_quantised:
            del config.quantization_config
        with torch.device("meta"), contextlib.redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise ConfigError(
            f"The configuration of the model {name!r} cannot be used: {(str(error) or repr(error)).splitlines()[0]} "
            f"Name a folder with its config.json, or fetch that: hf download {name} config.json"
        ) from None
    n_parameters = sum(each.numel() for each in model.parameters())
    linear = (each.numel() for key, each in model.named_parameters() if each.ndim > 1 and not _is_kept(key))
    caching, notes = _layers(config)
    if is_quantised:
        notes = ("its own checkpoint is quantised: read the line of that precision", *notes)
    heads = int(config.num_attention_heads)
    kv_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    latent = getattr(config, "kv_lora_rank", None)
    head = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return Shape(
        name=name,
        n_parameters=n_parameters,
        n_linear=sum(linear),
        hidden=int(config.hidden_size),
        widest=int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size),
        vocabulary=int(config.vocab_size),
        heads=heads,
        kv_heads=kv_heads,
        kv_values=int(latent) + int(config.qk_rope_head_dim) if latent else 2 * kv_heads * head,
        is_latent=bool(latent),
        n_caching_layers=caching,
        window_tokens=int(getattr(config, "max_position_embeddings", 0)),
        notes=notes,
    )


def _is_kept(name: str) -> bool:
    return any(part in name for part in _KEPT)


def _layers(config: Any) -> tuple[int, tuple[str, ...]]:  # noqa: ANN401 - each architecture's configuration has its own type
    """How many layers keep every token's keys and values, and what is to be said of the others."""
    kinds: Counter[str] = Counter(
        getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None) or ()
    )
    n_layers = int(config.num_hidden_layers)
    if not kinds:
        return n_layers, ()
    stateful = sum(count for kind, count in kinds.items() if "attention" not in kind or "linear" in kind)
    return n_layers - stateful, tuple(_notes(kinds, stateful, config))


def _notes(kinds: Counter[str], stateful: int, config: Any) -> Iterator[str]:  # noqa: ANN401
    if stateful:
        yield f"{stateful} layers keep a state for each request instead of keys and values; it is not counted"
    if sliding := sum(count for kind, count in kinds.items() if "sliding" in kind or "chunked" in kind):
        window = getattr(config, "sliding_window", None) or getattr(config, "attention_chunk_size", None)
        yield f"{sliding} layers look back {window} tokens only and are counted as if they kept all: vLLM fits more"
