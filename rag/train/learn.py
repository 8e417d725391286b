"""The training loop: a LoRA on every linear layer, on one GPU in minutes or on a CPU in hours."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.train.packed import Packed

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_WARM_UP = 0.04  # of the run
_CHUNK = 1024  # samples that are sorted by length together: what a batch has of padding is small


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is learned. seconds: the run is over by then, however much is left."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    rate: float = 1e-3
    epochs: float = 1.0
    batch_tokens: int = 24_576  # padding included
    seed: int = 1
    seconds: float = math.inf


def learn(base: Path, samples: Packed, options: Options, told: Callable[[str], object]) -> "PeftModel":
    """The model at `base` with an adapter that has learned the samples."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bare = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    # The adapter's own weights are float32: in bfloat16 a step of this size is rounded away.
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(bare.to(device), config)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.0)
    batches = list(_batches(samples, options))
    began = time.perf_counter()
    model.train()
    for step, batch in enumerate(batches):
        took = time.perf_counter() - began
        done = max(step / len(batches), took / options.seconds)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = options.rate * _pace(done)
        # Entered anew for each step: a context that lasts keeps casts of weights that have moved on.
        with _half(device):
            loss = _loss(model, samples, batch, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 20 == 0:
            told(f"step {step} of {len(batches)}, {took:.0f} s, {done:.0%}: loss {loss.item():.4f}")
    model.eval()
    return model


def _pace(done: float) -> float:
    """The share of the highest learning rate: up in a line, down in half a cosine."""
    return min(done / _WARM_UP, 0.5 * (1 + math.cos(math.pi * done)))


def _half(device: str) -> AbstractContextManager[object]:
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


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


def _loss(model: "PeftModel", samples: Packed, rows: list[int], device: str) -> "torch.Tensor":
    """The mean loss of the answers' tokens, weighted."""
    import torch

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
    causal: Any = model.get_base_model()  # Any: a class of transformers without types
    # Padding stands at the end, where no token of a causal model looks, so that no mask is needed.
    hidden = causal.model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
    at_answer = counted > 0
    logits = causal.lm_head(hidden[at_answer]).float()
    losses = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][at_answer], reduction="none")
    return (losses * counted[at_answer]).sum() / counted.sum()
