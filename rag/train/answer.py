"""Greedy answers of a model to packed prompts, many at a time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.train.packed import Packed

if TYPE_CHECKING:
    import torch

_BATCH_TOKENS = 200_000  # of prompts, padding included
_MOST_AT_ONCE = 160


def answers(
    model: Any,  # noqa: ANN401 - a class of transformers without types
    samples: Packed,
    *,
    end: int,
    max_tokens: int,
    told: Callable[[str], object],
) -> list[list[int]]:
    """The token ids that the model writes to each prompt, its end not included. end: the token that ends an answer."""
    import torch

    device = next(model.parameters()).device
    lengths = samples.answers - samples.starts[:-1]
    order = np.argsort(lengths, kind="stable")
    found: dict[int, list[int]] = {}
    while len(found) < len(samples):
        rows = [int(order[len(found)])]
        for row in order[len(found) + 1 :].tolist():
            if len(rows) == _MOST_AT_ONCE or int(lengths[row]) * (len(rows) + 1) > _BATCH_TOKENS:
                break
            rows.append(row)
        longest = max(int(lengths[row]) for row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            prompt = samples.ids[samples.starts[row] : samples.answers[row]].astype(np.int64)
            ids[at, longest - len(prompt) :] = torch.from_numpy(prompt)
            mask[at, longest - len(prompt) :] = 1
        with torch.inference_mode():
            written = model.generate(
                ids.to(device),
                attention_mask=mask.to(device),
                do_sample=False,
                temperature=None,
                max_new_tokens=max_tokens,
                eos_token_id=end,
                pad_token_id=end,
            )
        found |= zip(rows, _said(written[:, longest:], end), strict=True)
        told(f"{len(found)} of {len(samples)} answered")
    return [found[row] for row in range(len(samples))]


def _said(written: "torch.Tensor", end: int) -> list[list[int]]:
    rows = written.tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
