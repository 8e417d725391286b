"""The form that a response's text must have."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from rag.api.schemas.json_schema import SchemaName, answer_format, check_schema
from rag.api.schemas.support import ACCEPTED, REFUSED, SUPPORTED, missing
from rag.api.schemas.text import Text
from rag.errors import InvalidRequest


class TextFormat(BaseModel):
    """Text, any JSON object, or JSON of a schema."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text", "json_object", "json_schema"] = Field(
        "text", description="Kind of the answer.", json_schema_extra=SUPPORTED
    )
    name: SchemaName | None = Field(None, description="Name of the schema.", json_schema_extra=SUPPORTED)
    json_schema: dict[str, object] | None = Field(
        None, alias="schema", description="The answer is JSON of this schema.", json_schema_extra=SUPPORTED
    )
    description: Text | None = Field(None, description="What the schema is for.", json_schema_extra=ACCEPTED)
    strict: StrictBool | None = Field(None, description="The schema is always kept to.", json_schema_extra=ACCEPTED)


class TextOptions(BaseModel):
    """The form of the answer."""

    model_config = ConfigDict(extra="forbid")

    format: TextFormat = Field(TextFormat(), description="Text or JSON.", json_schema_extra=SUPPORTED)
    verbosity: Literal["low", "medium", "high"] | None = Field(
        None, description="Only medium: ask for brevity in the instructions.", json_schema_extra=REFUSED
    )

    def check(self) -> None:
        """Refuse by name what cannot be done.

        Raises:
            InvalidRequest: a schema without its name or itself, or a verbosity.
        """
        if self.verbosity not in (None, "medium"):
            raise InvalidRequest(
                f"text.verbosity = {self.verbosity!r} is not supported. Say so in the instructions instead.",
                param="text.verbosity",
                code="unsupported_value",
            )
        if self.format.json_schema is not None:
            check_schema(self.format.json_schema, "text.format.schema")
        if self.format.type == "json_schema":
            for name, value in (("name", self.format.name), ("schema", self.format.json_schema)):
                if value is None:
                    raise missing(f"text.format.{name}")

    def response_format(self) -> dict[str, object] | None:
        """The same as chat completions say it; None: any text."""
        return answer_format(self.format.type, self.format.name, self.format.json_schema)

    def echo(self) -> dict[str, object]:
        """The options as the response repeats them."""
        shown = self.format.model_dump(by_alias=True, exclude_none=True)
        if self.format.type == "json_schema":
            shown.setdefault("strict", False)
        return {"format": shown, "verbosity": "medium"}
