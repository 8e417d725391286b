"""The form of `POST /v1/files`, and a file as OpenAI's clients read it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.api.wire import Json
from rag.store import StoredFile

_BATCH_S = 30 * 24 * 3600
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class ExpiresAfter(BaseModel):
    """When a file goes by itself."""

    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class FileForm(BaseModel):
    """The fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose
    expires_after: ExpiresAfter | None = None

    @property
    def expires_after_s(self) -> int | None:
        """Seconds after which the file goes; None: it stays. Files for batches go after 30 days, as OpenAI's do."""
        if self.expires_after:
            return self.expires_after.seconds
        return _BATCH_S if self.purpose == "batch" else None


class UploadForm(FileForm):
    """The whole form, for the OpenAPI document."""

    file: Annotated[bytes, Field(json_schema_extra={"type": "string", "format": "binary"})]


def upload_schema() -> Json:
    """The schema of the whole form, with nothing outside it."""
    schema = UploadForm.model_json_schema()
    schema["properties"]["expires_after"] = schema.pop("$defs")["ExpiresAfter"]
    return schema


def parse_form(fields: Mapping[str, str]) -> FileForm:
    """The fields; `expires_after[seconds]` is the field `seconds` of `expires_after`.

    Raises:
        RequestValidationError: one is missing, unknown or wrong.
    """
    tree: dict[str, object] = {}
    for name, value in fields.items():
        outer, bracket, rest = name.partition("[")
        if bracket and rest.endswith("]"):
            inner = tree.setdefault(outer, {})
            if isinstance(inner, dict):
                inner[rest[:-1]] = value
        else:
            tree[name] = value
    try:
        return FileForm.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        errors = [{**detail, "loc": ("body", *detail["loc"])} for detail in details]
        raise RequestValidationError(errors, body=tree) from None


def file_json(stored: StoredFile) -> Json:
    """An uploaded file."""
    return {
        "id": stored.id,
        "object": "file",
        "bytes": stored.bytes,
        "created_at": stored.created_at,
        "expires_at": stored.expires_at,
        "filename": stored.filename,
        "purpose": stored.purpose,
        "status": "processed",
        "status_details": None,
    }
