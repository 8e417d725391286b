"""The training loop: a change of low rank to every linear layer, on one GPU in minutes or on a CPU in hours."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import AutoModelForCausalLM

from rag.train.packed import Packed

_WARM_UP = 0.04  # of the run
_CHUNK = 1024  # samples that are sorted by length together: what a batch has of padding is small


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is learned. seconds: the run is over by then, however much is left."""

    rank: int = 16
    rate: float = 1e-3
    epochs: float = 1.0
    batch_tokens: int = 49_152  # padding included
    seed: int = 1
    seconds: float = math.inf


class LowRank(nn.Module):
    """What is added to a weight: `up @ down`, in float32, because in bfloat16 a step of this size is rounded away.

    The sum has the weight's own type, so the model learns with the very weights that it will be shipped with. No
    autocast is needed: one that lasts over several steps keeps casts of weights that have moved on.
    """

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        n_out, n_in = weight.shape
        self.down = nn.Parameter(torch.empty(rank, n_in, device=weight.device))
        self.up = nn.Parameter(torch.zeros(n_out, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The changed weight."""
        return (weight + 2 * (self.up @ self.down)).to(weight.dtype)


def learn(base: Path, samples: Packed, options: Options, told: Callable[[str], object]) -> nn.Module:
    """The model at `base` with `LowRank` on its linear layers, which has learned the samples."""
    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32  # few CPUs compute in bfloat16
    model: nn.Module = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    model.to(device).requires_grad_(False)
    added = [_add(layer, options.rank) for layer in linear_layers(model).values()]
    weights = [weight for each in added for weight in each.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.0)
    batches = list(_batches(samples, options))
    began = time.perf_counter()
    for step, batch in enumerate(batches):
        took = time.perf_counter() - began
        if took >= options.seconds:
            break
        done = max(step / len(batches), took / options.seconds)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * _pace(done)
        loss = _loss(model, samples, batch, device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 20 == 0:
            told(f"step {step} of {len(batches)}, {took:.0f} s, {done:.0%}: loss {loss.item():.4f}")
    return model


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that are changed, by name: all linear ones but the head, whose weights are the embeddings."""
    return {name: each for name, each in model.named_modules() if isinstance(each, nn.Linear) and name != "lm_head"}


def change(model: nn.Module) -> dict[str, torch.Tensor]:
    """What was learned, in the names and the type of an adapter file (`rag.models.adapter`)."""
    tensors = {}
    for name, layer in linear_layers(model).items():
        added: Any = layer.parametrizations.weight[0]  # type: ignore[index,union-attr]
        tensors[f"base_model.model.{name}.lora_A.weight"] = added.down.detach().to("cpu", torch.bfloat16)
        tensors[f"base_model.model.{name}.lora_B.weight"] = (2 * added.up.detach()).to("cpu", torch.bfloat16)
    return {name: each.contiguous() for name, each in tensors.items()}


def _add(layer: nn.Module, rank: int) -> LowRank:
    weight: Any = layer.weight
    added = LowRank(weight, rank)
    parametrize.register_parametrization(layer, "weight", added)
    return added


def _pace(done: float) -> float:
    """The share of the highest learning rate: up in a line, down in half a cosine."""
    return min(done / _WARM_UP, 0.5 * (1 + math.cos(math.pi * done)))


def _batches(samples: Packed, options: Options) -> Iterator[list[int]]:
    """Rows of samples of about one length, in a new order for each pass."""
    chance = np.random.default_rng(options.seed)
    lengths = np.diff(samples.starts)
    left = round(options.epochs * len(samples))
    while left > 0:
        order = chance.permutation(len(samples))[:left]
        left -= len(order)
        batches: list[list[int]] = []
        for first in range(0, len(order), _CHUNK):
            some = order[first : first + _CHUNK]
            batch: list[int] = []
            for row in some[np.argsort(lengths[some], kind="stable")].tolist():
                if batch and lengths[row] * (len(batch) + 1) > options.batch_tokens:
                    batches.append(batch)
                    batch = []
                batch.append(row)
            batches.append(batch)
        yield from (batches[at] for at in chance.permutation(len(batches)))


def _loss(model: Any, samples: Packed, rows: list[int], device: str) -> torch.Tensor:  # noqa: ANN401 - transformers'
    """The mean loss of the answers' tokens, weighted."""
    starts = samples.starts
    longest = max(int(starts[row + 1] - starts[row]) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    weights = np.zeros((len(rows), longest), np.float32)
    for at, row in enumerate(rows):
        n = int(starts[row + 1] - starts[row])
        ids[at, :n] = samples.ids[starts[row] : starts[row + 1]]
        weights[at, :n] = samples.weights[starts[row] : starts[row + 1]]
    tokens = torch.from_numpy(ids).to(device)
    counted = torch.from_numpy(weights[:, 1:]).to(device)
    # Padding stands at the end, where no token of a causal model looks, so that no mask is needed.
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
    at_answer = counted > 0
    logits = model.lm_head(hidden[at_answer]).float()
    losses = nn.functional.cross_entropy(logits, tokens[:, 1:][at_answer], reduction="none")
    return (losses * counted[at_answer]).sum() / counted.sum()
