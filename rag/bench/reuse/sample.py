"""What was seen: of one request, and of one arm's run over a workload."""

from dataclasses import dataclass

from rag.bench.reuse.workload import Request
from rag.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request of one arm."""

    request: int  # index in the workload
    prompt_tokens: int
    cached_tokens: int | None  # as the engine said; None: it did not
    predicted_tokens: int  # of the prompt, that were thought to be cached before it was sent
    first_token_ms: float  # from arrival, planning included
    plan_ms: float
    n_gold: int  # passages that answer
    n_shown_gold: int  # of these, the ones in the prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One arm over the whole workload, on a cache in which nothing of its own stood before."""

    arm: str
    round: int  # starts at 1
    kv_tokens: int | None  # that fit the engine's cache
    block_size: int
    warm_tokens: int  # of prompts that the arm had computed before the first request
    samples: tuple[Sample, ...]  # in order of arrival
    counted_tokens: int | None = None  # computed for these requests by the engine's own counter


def n_shown(request: Request, prompt: Prompt) -> int:
    """How many of the passages that answer a request stand in its prompt."""
    return len(request.gold & {shown.chunk.seq for shown in prompt.shown})
