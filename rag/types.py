"""The values that flow along the path of a request. Nothing here computes, reads or writes.

Offsets are Python slices of code points: of a document's extracted text (`start`, `end` of a chunk,
`source_start`, `source_end` of a citation) or of an answer (`start`, `end` of a citation).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NewType

ChunkId = NewType("ChunkId", str)
CollectionId = NewType("CollectionId", str)
FileId = NewType("FileId", str)
Tokens = tuple[int, ...]

DEFAULT_GROUP = "default"  # the access group of whoever has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where in a document a reader finds a span. Fields that the format does not have are None."""

    heading: str | None = None  # path of headings, outermost first, joined by " > "
    line: int | None = None  # starts at 1, in the extracted text
    page: int | None = None  # starts at 1
    slide: int | None = None  # starts at 1
    sheet: str | None = None
    cells: str | None = None  # a range of the sheet, as A2:D9

    def as_dict(self) -> dict[str, str | int]:
        """The fields that are set, as they stand in JSON."""
        names = ("heading", "line", "page", "slide", "sheet", "cells")
        pairs = ((name, getattr(self, name)) for name in names)
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stored span of one document: `document_text[start:end] == text`."""

    id: ChunkId
    seq: int  # the chunk's number in the vector index of its generation
    document: str  # path below the ingested root, POSIX separators
    title: str
    anchor: Anchor
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A document as a file in a vector store."""

    id: FileId
    name: str
    attributes: Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Why a chunk was found: its place in the search by meaning and in that by words, both from 1.

    None: it is not among the best of that search, or that was not made. Without a re-ranker the score of a hit is
    `meaning_weight * cosine + (1 - meaning_weight) * words_share`, negative cosines counting 0.
    """

    meaning_rank: int | None
    words_rank: int | None
    meaning_weight: float
    words_share: float  # of the best score by words


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk that retrieval found. `rank` starts at 1; `score`, at most 1, falls with it (`rag.retrieve.fuse`)."""

    chunk: Chunk
    score: float
    rank: int
    cosine: float | None = None  # of the question's vector and the chunk's; None: it is the score
    match: Match | None = None  # None: it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingInfo:
    """Which model made a collection's vectors. Vectors of different models are never mixed."""

    model: str
    dimensions: int
    dtype: str  # what the model computes in; vectors are float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may ask the client to call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Which tools may be called, and whether one must be."""

    mode: Literal["none", "auto", "required"] = "auto"
    names: frozenset[str] | None = None  # those that may be called; None: every one
    parallel: bool = True  # False: one call at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the model asked for. `arguments` is JSON as the model wrote it, so it may be invalid."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """A piece of call number `index` of a choice: first its id and name, then pieces of its arguments."""

    index: int
    id: str | None = None  # with the first piece only, as `name`
    name: str | None = None
    arguments: str = ""


Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the client's dialogue, as text. `calls`: of the assistant; their results have the role `tool`."""

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()


class Placed(StrEnum):
    """Where in the prompt a retrieved chunk stands."""

    PREFIX = "prefix"
    HISTORY = "history"
    TAIL = "tail"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A chunk in a prompt, with the number that the model cites it by."""

    number: int  # starts at 1, unique in the prompt
    chunk: Chunk
    placed: Placed
    n_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of prompt tokens with one purpose. Segments tile the prompt in order."""

    name: str
    n_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is sent to the engine: token ids and how to read the answer that comes back."""

    token_ids: Tokens
    segments: tuple[Segment, ...]
    shown: tuple[Shown, ...]
    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the engine picks tokens. None leaves the engine's (the model's own) default."""

    max_tokens: int | None = None  # None: as many as the setting prompt.answer_tokens and the window allow
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] = field(default_factory=dict)
    response_format: dict[str, object] | None = None
    grammar: str | None = None  # in EBNF, all that may be written; not beside a response format
    n: int = 1  # answers to the same prompt
    top_logprobs: int | None = None  # most likely tokens told at each position; None: no log probabilities
    bad_words: tuple[str, ...] = ()  # never written
    special_tokens: bool = False  # the text shows control tokens, which some models write around tool calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one request, as the engine reported them: the prompt once, the answers summed."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None  # None: the engine does not say; 0: measured zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Logprob:
    """A token that was written, and how likely it and others were in its place."""

    token_id: int
    logprob: float  # natural logarithm; -9999 where the engine has minus infinity
    top: tuple[tuple[int, float], ...] = ()  # token ids with theirs, the most likely first


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One piece of an engine's answer: of choice number `choice`, whose last piece has `finish_reason`.

    After the last piece of all comes one with `usage`, which is of all choices together.
    """

    choice: int = 0
    text: str = ""
    token_ids: Tokens = ()
    logprobs: tuple[Logprob, ...] = ()  # one for each of `token_ids`, where they were asked for
    finish_reason: str | None = None
    usage: Usage | None = None


class Status(StrEnum):
    """How well a citation's quote supports its statement."""

    EXACT = "exact"
    NORMALIZED = "normalized"
    FUZZY = "fuzzy"
    UNSUPPORTED = "unsupported"


class Problem(StrEnum):
    """Why a citation is `unsupported`."""

    UNSUPPORTED = "unsupported_statement"  # the source does not say it
    CONTRADICTED = "contradicted"  # the source says it with another number, date, name or negation
    WRONG_DOCUMENT = "wrong_document"  # another document of the prompt says it
    STITCHED = "stitched_quote"  # the words are the source's, put together from separate places
    UNKNOWN_MARKER = "unknown_marker"  # nothing in the prompt has this number


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A statement of the answer and the span of a document that supports it.

    `start:end` is the statement without its markers, `marker_start:marker_end` the marker; both at the
    statement's end and empty when no marker was written. `source_start`, `source_end`, `quote` and `anchor`
    are None when the status is `unsupported`.
    """

    marker: str
    start: int
    end: int
    marker_start: int
    marker_end: int
    chunk: Chunk
    status: Status
    source_start: int | None = None
    source_end: int | None = None
    quote: str | None = None
    anchor: Anchor | None = None
    problem: Problem | None = None  # of an unsupported one


class Priority(StrEnum):
    """Who goes first when requests wait."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"  # for batches: it waits as long as it must


class CitationPolicy(StrEnum):
    """What becomes of a citation that its source does not support."""

    FLAG = "flag"  # it is sent with its status
    DROP = "drop"  # its marker is taken out of the answer
    APPEND_NOTE = "append-note"  # as flag, and the answer ends with a note that names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one citation of an answer.

    `marker` names the one number. `start:end` is the statement. Of an unknown marker it is the marker itself, and empty
    where that was taken out.
    """

    problem: Problem
    marker: str
    start: int
    end: int
    chunk: Chunk | None  # that was cited; None: nothing in the prompt has the number
