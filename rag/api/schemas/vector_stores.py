"""The bodies of `/v1/vector_stores`."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, model_validator

from rag.api.schemas.support import ACCEPTED
from rag.api.schemas.text import Metadata, Text
from rag.retrieve.filter import Filter, is_scalar, parse_filter
from rag.store import Cut

_MAX_PAIRS = 16
_KEY_CHARS = 64
_VALUE_CHARS = 512
_MAX_FILES = 2000
_MAX_CREATE_FILES = 500
_MAX_QUERIES = 32
_NAME = "1 to 256 characters; others may have the same. None: it is called as its id."
_CHUNKING = "Sizes are honoured as far as the embedding model reads."
_EXPIRY = "Days after the last search, question or new file."
_ATTRIBUTES = "Up to 16 texts, numbers or booleans, for filters."


def _check_pairs(pairs: Mapping[str, object]) -> None:
    if len(pairs) > _MAX_PAIRS:
        raise ValueError(f"{len(pairs)} pairs, at most {_MAX_PAIRS} are allowed")
    for key, value in pairs.items():
        if not 0 < len(key) <= _KEY_CHARS:
            raise ValueError(f"the key {key[:_KEY_CHARS]!r} must have 1 to {_KEY_CHARS} characters")
        if isinstance(value, str) and len(value) > _VALUE_CHARS:
            raise ValueError(f"the value of {key!r} has {len(value)} characters, at most {_VALUE_CHARS} are allowed")


def _check_attributes(pairs: object) -> object:
    """The pairs as they are. Before pydantic looks at them: it would name the members of the union in its errors."""
    if not isinstance(pairs, dict):
        return pairs
    _check_pairs(pairs)
    for key, value in pairs.items():
        if not is_scalar(value):
            raise ValueError(f"the value of {key!r} must be a text, a number, true or false")
    return pairs


Attributes = Annotated[dict[Text, Text | int | float | bool], BeforeValidator(_check_attributes)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StaticChunking(_Body):
    """Sizes in tokens of the embedding model."""

    max_chunk_size_tokens: StrictInt = Field(ge=100, le=4096)
    chunk_overlap_tokens: StrictInt = Field(ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.chunk_overlap_tokens > self.max_chunk_size_tokens // 2:
            raise ValueError("chunk_overlap_tokens must be at most half of max_chunk_size_tokens")
        return self


class ChunkingStrategy(_Body):
    """How a file is cut."""

    type: Literal["auto", "static"]
    static: StaticChunking | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.type == "static") != (self.static is not None):
            raise ValueError('"static" must be given with type "static", and only then')
        return self

    def cut(self) -> Cut | None:
        """The sizes asked for; None: the service's own."""
        if self.static is None:
            return None
        return Cut(chunk_tokens=self.static.max_chunk_size_tokens, overlap_tokens=self.static.chunk_overlap_tokens)


class ExpiresAfter(_Body):
    """When a vector store goes by itself."""

    anchor: Literal["last_active_at"]
    days: StrictInt = Field(ge=1, le=365)


class CreateStore(_Body):
    """A new vector store."""

    name: Text | None = Field(None, description=_NAME)
    description: Text | None = Field(None, max_length=_VALUE_CHARS, description="Sent back, no more.")
    file_ids: list[Text] = Field([], max_length=_MAX_CREATE_FILES, description="Uploaded files, indexed right away.")
    chunking_strategy: ChunkingStrategy | None = Field(None, description=_CHUNKING)
    expires_after: ExpiresAfter | None = Field(None, description=_EXPIRY)
    metadata: Metadata | None = Field(None, description="Sent back, no more.")


class ModifyStore(_Body):
    """What changes; what is not there stays."""

    name: Text | None = Field(None, description=_NAME)
    expires_after: ExpiresAfter | None = Field(None, description=f"{_EXPIRY} null: never.")
    metadata: Metadata | None = Field(None, description="In the place of all that was there.")


class AttachFile(_Body):
    """A file for a vector store."""

    file_id: Text = Field(description="An uploaded file. One that is there already is indexed anew.")
    attributes: Attributes | None = Field(None, description=_ATTRIBUTES)
    chunking_strategy: ChunkingStrategy | None = Field(None, description=_CHUNKING)


class UpdateFile(_Body):
    """New attributes, in the place of all old ones."""

    attributes: Attributes | None = Field(description=f"{_ATTRIBUTES} They hold at once.")


class CreateBatch(_Body):
    """Files for a vector store: `file_ids` that share attributes, or `files` with their own."""

    file_ids: list[Text] | None = Field(
        None, min_length=1, max_length=_MAX_FILES, description="Uploaded files that share what stands below."
    )
    files: list[AttachFile] | None = Field(
        None, min_length=1, max_length=_MAX_FILES, description="Instead: files, each with its own."
    )
    attributes: Attributes | None = Field(None, description=_ATTRIBUTES)
    chunking_strategy: ChunkingStrategy | None = Field(None, description=_CHUNKING)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.file_ids is None) == (self.files is None):
            raise ValueError("give either file_ids or files")
        return self

    def each(self) -> list[AttachFile]:
        """The files one by one."""
        if self.files is not None:
            return self.files
        return [
            AttachFile(file_id=file_id, attributes=self.attributes, chunking_strategy=self.chunking_strategy)
            for file_id in self.file_ids or ()
        ]


class RankingOptions(_Body):
    """Which results count. There is one ranker; OpenAI's names for theirs are accepted."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(0.0, ge=0, le=1)


class SearchOptions(_Body):
    """Our extension of a search."""

    include: list[Literal["match"]] = []


class Search(_Body):
    """A search."""

    query: Text | list[Text] = Field(description=f"A text, or up to {_MAX_QUERIES}, whose results are merged.")
    filters: dict[str, object] | None = Field(
        None, description="On attributes, `document` and `filename`; see docs/openai-files.md."
    )
    max_num_results: StrictInt = Field(10, ge=1, le=50, description="Passages; there are no further pages.")
    ranking_options: RankingOptions = Field(
        RankingOptions(),
        description="There is one ranker, whatever its name; its scores, 0 to 1, are those of `rag search`.",
    )
    rewrite_query: bool = Field(False, description="Queries are searched as they are.", json_schema_extra=ACCEPTED)

    rag: SearchOptions = Field(
        SearchOptions(),
        description='Ours: with `{"include": ["match"]}` each result says in `match` why it was found.',
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 < len(self.queries()) <= _MAX_QUERIES or not all(query.strip() for query in self.queries()):
            raise ValueError(f"query must be a text, or 1 to {_MAX_QUERIES} texts; none may be empty")
        return self

    def queries(self) -> list[str]:
        """Each query."""
        return [self.query] if isinstance(self.query, str) else self.query

    def document_filter(self) -> Filter | None:
        """Which documents may be found.

        Raises:
            InvalidRequest: the filter is none.
        """
        return None if self.filters is None else parse_filter(self.filters, param="filters")
