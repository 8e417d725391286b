"""What goes into the pipeline, and what comes out of it."""

from dataclasses import dataclass, field

from rag.retrieve.filter import Filter
from rag.types import DEFAULT_GROUP, Citation, Hit, Message, Prompt, Sampling, Segment, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for an answer."""

    messages: tuple[Message, ...]
    request_id: str
    collection: str | None = "default"  # name or id; None: the bare model, nothing retrieved
    top_k: int | None = None  # None: the setting retrieve.top_k
    sampling: Sampling = field(default_factory=Sampling)
    group: str = DEFAULT_GROUP
    filter: Filter | None = None  # which documents the prompt may show; None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What the engine had already computed of a prompt, as predicted and as reported."""

    prompt_tokens: int
    predicted_cached_tokens: int
    cached_tokens: int | None  # None: the engine does not say
    segments: tuple[tuple[Segment, int | None], ...]  # with the cached tokens of each
    miss_reason: str | None
    n_replaced: int  # hits that gave way to near-tied ones which the prefix shows anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is known of an answer once it is complete. The last event of every answer."""

    finish_reason: str
    usage: Usage
    text: str
    collection: str | None  # None: answered without documents
    generation: int | None
    prompt: Prompt
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    n_markers_removed: int
    reuse: Reuse
    timings_ms: dict[str, float]


Event = str | Citation | Report
