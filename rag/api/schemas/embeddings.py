"""The body of `POST /v1/embeddings`."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag

from rag.api.schemas.support import ACCEPTED, SUPPORTED
from rag.api.schemas.text import Name, Text

MAX_INPUTS = 2048
_MAX_TOKENS = 8192  # of one array of token ids


def _kind(value: object) -> str:
    """What an input means to be, by its first item: one member of the union explains what is wrong, not all four."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, list):
        return "arrays"
    if isinstance(first, int):
        return "array"
    return "texts" if isinstance(value, list) else "text"


InputText = Annotated[Text, Field(min_length=1)]
TokenIds = Annotated[list[StrictInt], Field(fail_fast=True, min_length=1, max_length=_MAX_TOKENS)]
Texts = Annotated[list[InputText], Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS)]
Arrays = Annotated[list[TokenIds], Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS)]


Input = Annotated[
    Annotated[InputText, Tag("text")]
    | Annotated[Texts, Tag("texts")]
    | Annotated[TokenIds, Tag("array")]
    | Annotated[Arrays, Tag("arrays")],
    Discriminator(_kind),
]


class EmbeddingRequest(BaseModel):
    """The body."""

    model_config = ConfigDict(extra="forbid")

    model: Name = Field(description="The embedding model's name, or an alias of it.", json_schema_extra=SUPPORTED)
    input: Input = Field(
        description=f"A text, up to {MAX_INPUTS} texts, or token ids of the embedding model's own tokenizer.",
        json_schema_extra=SUPPORTED,
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float",
        description="float: lists of numbers. base64: little-endian float32.",
        json_schema_extra=SUPPORTED,
    )
    dimensions: StrictInt | None = Field(
        None,
        ge=1,
        description="Shorter vectors, of a model that was trained for them (Matryoshka); 400 with any other.",
        json_schema_extra=SUPPORTED,
    )
    user: Text | None = Field(None, description="Who asks, of your users. Nothing is kept.", json_schema_extra=ACCEPTED)

    def inputs(self) -> Sequence[str | list[int]]:
        """What is to be embedded, an item for each vector."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [self.input]
        return self.input
