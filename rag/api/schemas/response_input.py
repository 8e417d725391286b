"""The items of a Responses request's `input`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from rag.api.schemas.support import ACCEPTED, SUPPORTED
from rag.api.schemas.text import Text

_MAX_ITEMS = 2048


def _shape(value: object) -> str:
    # Tags that are no identifiers: a field's path in an error message leaves them out.
    return "a list" if isinstance(value, list) else "a string"


class ContentPart(BaseModel):
    """A part of a message: what the user said, or what was answered before."""

    model_config = ConfigDict(extra="ignore")  # annotations and logprobs of earlier answers, sent back

    type: Literal["input_text", "output_text", "refusal"] = Field(
        description="Kind of the part. Images, files and audio are refused.", json_schema_extra=SUPPORTED
    )
    text: Text | None = Field(None, description="The text, of all but a refusal.", json_schema_extra=SUPPORTED)
    refusal: Text | None = Field(None, description="The text of a refusal.", json_schema_extra=SUPPORTED)

    @model_validator(mode="after")
    def _has_text(self) -> "ContentPart":
        name = "refusal" if self.type == "refusal" else "text"
        if getattr(self, name) is None:
            raise ValueError(f"a part of type {self.type!r} needs {name!r}")
        return self

    def said(self) -> str:
        """The text of the part."""
        return (self.refusal if self.type == "refusal" else self.text) or ""


Content = Annotated[
    Annotated[Text, Tag("a string")] | Annotated[list[ContentPart], Field(max_length=_MAX_ITEMS), Tag("a list")],
    Discriminator(_shape),
]


class InputItem(BaseModel):
    """One item: a message, a search or call of an earlier answer, what a call gave, or a reference to a stored item."""

    model_config = ConfigDict(extra="ignore")  # status, phase and the like: of earlier answers, sent back

    type: Literal["message", "file_search_call", "function_call", "function_call_output", "item_reference"] = Field(
        "message",
        description="Kind of the item. A search sent back changes nothing: what it found is put back anyway.",
        json_schema_extra=SUPPORTED,
    )
    id: Text | None = Field(
        None,
        max_length=128,
        description="Id of the item; of a reference: the stored item.",
        json_schema_extra=SUPPORTED,
    )
    role: Literal["user", "assistant", "system", "developer"] | None = Field(
        None, description="Who says it; a developer is a system.", json_schema_extra=SUPPORTED
    )
    content: Content | None = Field(None, description="What is said.", json_schema_extra=SUPPORTED)
    queries: list[Text] = Field([], description="Of a search sent back.", json_schema_extra=ACCEPTED)

    call_id: Text | None = Field(None, description="Of a call, and of what it gave.", json_schema_extra=SUPPORTED)
    name: Text | None = Field(None, description="Of the function called.", json_schema_extra=SUPPORTED)
    arguments: Text | None = Field(None, description="Of a call: JSON.", json_schema_extra=SUPPORTED)
    output: Content | None = Field(None, description="What a call gave.", json_schema_extra=SUPPORTED)

    @model_validator(mode="after")
    def _is_whole(self) -> "InputItem":
        needed = {
            "message": ("role", "content"),
            "item_reference": ("id",),
            "file_search_call": ("id",),
            "function_call": ("call_id", "name", "arguments"),
            "function_call_output": ("call_id", "output"),
        }
        for name in needed[self.type]:
            if getattr(self, name) is None:
                raise ValueError(f"an item of type {self.type!r} needs {name!r}")
        return self

    def said(self) -> str:
        """The text of a message."""
        return _text(self.content)

    def result(self) -> str:
        """The text that a call gave."""
        return _text(self.output)


def _text(content: str | list[ContentPart] | None) -> str:
    return "".join(part.said() for part in content) if isinstance(content, list) else content or ""


Input = Annotated[
    Annotated[Text, Tag("a string")]
    | Annotated[list[InputItem], Field(min_length=1, max_length=_MAX_ITEMS), Tag("a list")],
    Discriminator(_shape),
]
