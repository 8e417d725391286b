"""What goes into the pipeline, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rag.retrieve.filter import Filter
from rag.types import (
    DEFAULT_GROUP,
    CallDelta,
    ChunkId,
    Citation,
    CitationPolicy,
    Fault,
    Hit,
    Logprob,
    Message,
    Priority,
    Prompt,
    Sampling,
    Segment,
    SourceFile,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)


class Meter(Protocol):
    """Measures the tokens of one request against what its caller may use."""

    async def reserve(self, n_tokens: int) -> None:
        """Nothing; so many tokens, of prompt and answer together, are set aside before they are computed.

        Raises:
            OverLimit: the caller may not use them, now or ever.
        """

    def spend(self, n_tokens: int) -> None:
        """Nothing; so many tokens were really used. At its end the request is charged these alone."""


class Unmetered:
    """The meter of whoever has no limits."""

    async def reserve(self, n_tokens: int) -> None:
        """Nothing."""

    def spend(self, n_tokens: int) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for an answer."""

    messages: tuple[Message, ...]
    meter: Meter  # no default: an answer that nobody pays for must not come about by leaving something out
    request_id: str
    collection: str | None = "default"  # name or id; None: the bare model, nothing retrieved
    top_k: int | None = None  # None: the setting retrieve.top_k
    sampling: Sampling = field(default_factory=Sampling)
    group: str = DEFAULT_GROUP
    key_id: str = ""  # whose request it is, for fairness; without keys all are of one
    priority: Priority = Priority.NORMAL
    alias: str | None = None  # by which its model was named
    is_cut: bool = False  # the oldest turns go where the conversation does not fit; otherwise it is refused
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    filter: Filter | None = None  # which documents the prompt may show; None: all
    min_score: float | None = None  # what scores less is not found; None: everything is
    citations: CitationPolicy | None = None  # None: the setting citations.policy
    answer: Literal["text", "quotes"] = "text"  # quotes: of sentences of the documents alone
    wants_files: bool = False  # `Found` says which files the chunks are of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What the engine had already computed of a prompt, as predicted and as reported."""

    prompt_tokens: int
    predicted_cached_tokens: int
    cached_tokens: int | None  # None: the engine does not say
    segments: tuple[tuple[Segment, int | None], ...]  # with the cached tokens of each
    miss_reason: str | None
    n_replaced: int  # hits that gave way to near-tied ones which the prefix shows anyway
    prefix_version: str = ""  # of the shared prefix that the prompt begins with; empty: with none


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What retrieval found for the question. It comes once, before the first piece of an answer from documents."""

    query: str
    hits: tuple[Hit, ...]
    files: Mapping[ChunkId, SourceFile]  # of all chunks that were found or are shown, if the ask wants them


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
    faults: tuple[Fault, ...] = ()  # of its citations and markers, in the order of the text
    n_quotes_dropped: int = 0  # that no source has, word for word
    no_answer: Literal["retrieval", "model"] | None = None  # who found that there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is known of the answers once they are complete. The last event of every request."""

    choices: tuple[Choice, ...]
    usage: Usage
    collection: str | None  # None: answered without documents
    generation: int | None
    prompt: Prompt
    hits: tuple[Hit, ...]
    n_turns_dropped: int  # the oldest, for which there was no room
    reuse: Reuse
    timings_ms: dict[str, float]


Event = Found | Piece | Report
