"""What goes into the pipeline, and what comes out of it."""

from dataclasses import dataclass, field

from rag.retrieve.filter import Filter
from rag.types import (
    DEFAULT_GROUP,
    CallDelta,
    Citation,
    Hit,
    Logprob,
    Message,
    Prompt,
    Sampling,
    Segment,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for an answer."""

    messages: tuple[Message, ...]
    request_id: str
    collection: str | None = "default"  # name or id; None: the bare model, nothing retrieved
    top_k: int | None = None  # None: the setting retrieve.top_k
    sampling: Sampling = field(default_factory=Sampling)
    group: str = DEFAULT_GROUP
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
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
class Piece:
    """A step of one choice. Log probabilities come with the first piece after their token, whose text may be empty."""

    choice: int = 0
    content: str | Citation | CallDelta = ""
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of those that a request asked for, complete."""

    finish_reason: str
    text: str
    citations: tuple[Citation, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[Logprob, ...] = ()  # of every token that the model wrote
    n_markers_removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is known of the answers once they are complete. The last event of every request."""

    choices: tuple[Choice, ...]
    usage: Usage
    collection: str | None  # None: answered without documents
    generation: int | None
    prompt: Prompt
    hits: tuple[Hit, ...]
    reuse: Reuse
    timings_ms: dict[str, float]


Event = Piece | Report
