"""Texts as a model's input, tokenised once, of which batches are cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Task = Literal["document", "query"]
# The names under which a model may have a prompt for a task, as sentence-transformers looks for them.
_PROMPTS = {"document": ("document", "passage", "corpus"), "query": ("query",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenised:
    """Features of all texts, a row each, as wide as the longest."""

    features: dict[str, object]
    lengths: tuple[int, ...]  # in tokens, with the prompt's
    is_left_padded: bool

    def batch(self, rows: Sequence[int], device: torch.device) -> dict[str, object]:
        """Features of these rows, as wide as the longest of them, on the device."""
        width = max(1, *(self.lengths[row] for row in rows))
        columns = slice(-width, None) if self.is_left_padded else slice(0, width)
        chosen = list(rows)
        return {
            name: value[chosen][:, columns].to(device) if isinstance(value, torch.Tensor) else value
            for name, value in self.features.items()
        }


def tokenise(model: "SentenceTransformer", texts: Sequence[str], task: Task) -> Tokenised | None:
    """The texts as `model.encode_document` or `encode_query` would read them; None: they cannot be cut into rows.

    So it is with models that need no padding: static ones, and those that attend over packed texts.
    """
    features = model.preprocess(list(texts), prompt=_prompt(model, task), task=task)
    mask = features.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2 or len(mask) != len(texts):
        return None
    if any(isinstance(value, torch.Tensor) and value.shape[:2] != mask.shape for value in features.values()):
        return None
    return Tokenised(
        features=features,
        lengths=tuple(mask.sum(1).tolist()),
        is_left_padded=not bool(mask[:, 0].all()),
    )


def _prompt(model: "SentenceTransformer", task: Task) -> str | None:
    for name in _PROMPTS[task]:
        if name in model.prompts:
            return model.prompts[name]
    return model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
