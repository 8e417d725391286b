"""The messages of a chat request."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Message, ToolCall

_MAX_PARTS = 256


class Part(BaseModel):
    """A part of a message. Only text and refusals are read."""

    model_config = ConfigDict(extra="ignore")  # prompt_cache_breakpoint, and what images and files are made of

    type: Literal["text", "refusal", "image_url", "input_audio", "file"]
    text: Text | None = None
    refusal: Text | None = None


class Function(BaseModel):
    """The function of a call that the model made."""

    model_config = ConfigDict(extra="ignore")

    name: Text
    arguments: Text


class Call(BaseModel):
    """A call that the model made."""

    model_config = ConfigDict(extra="ignore")

    id: Text
    type: Literal["function"] = "function"
    function: Function


class ChatMessage(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="ignore")  # name, annotations: of earlier answers, sent back

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[Part], Field(max_length=_MAX_PARTS)] | None = None
    refusal: Text | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    tool_call_id: Text | None = None

    def text(self) -> str:
        """All that the message says."""
        if isinstance(self.content, list):
            return "".join((part.text if part.type == "text" else part.refusal) or "" for part in self.content)
        return self.content or self.refusal or ""

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls that the message makes."""
        made = [ToolCall(id=c.id, name=c.function.name, arguments=c.function.arguments) for c in self.tool_calls or ()]
        if self.function_call:  # of clients from before tools
            made.append(ToolCall(id="", name=self.function_call.name, arguments=self.function_call.arguments))
        return tuple(made)


def read_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """The messages as text.

    Raises:
        InvalidRequest: one has a part that is no text, or none at all, or answers a call that nobody made.
    """
    open_calls: set[str] = set()
    read: list[Message] = []
    for index, message in enumerate(messages):
        _check_content(message, f"messages[{index}]")
        _check_order(message, open_calls, f"messages[{index}]")
        match message.role:
            case "tool" | "function":
                read.append(Message("tool", message.text()))
            case "assistant":
                read.append(Message("assistant", message.text(), message.calls()))
            case "developer" | "system":
                read.append(Message("system", message.text()))
            case "user":
                read.append(Message("user", message.text()))
    _check_answered(open_calls, f"messages[{len(messages) - 1}]")
    return tuple(read)


def _check_content(message: ChatMessage, param: str) -> None:
    if message.content is None and message.role != "assistant":
        raise InvalidRequest(
            f"{param} has the role {message.role!r} and no content. Send a string, or a list of text parts.",
            param=f"{param}.content",
            code="invalid_value",
        )
    for index, part in enumerate(message.content if isinstance(message.content, list) else ()):
        where = f"{param}.content[{index}]"
        if part.type not in ("text", "refusal"):
            raise InvalidRequest(
                f"{where} is of the type {part.type!r}, which the service does not read. Send text; documents go in by "
                "`rag ingest` or /v1/files.",
                param=f"{where}.type",
                code="unsupported_value",
            )
        if getattr(part, part.type) is None:
            raise InvalidRequest(
                f"{where} has no {part.type!r}. Send a string there.",
                param=f"{where}.{part.type}",
                code="missing_required_parameter",
            )


def _check_order(message: ChatMessage, open_calls: set[str], param: str) -> None:
    """Hold results against the calls that wait for them."""
    if message.role == "tool":
        if message.tool_call_id not in open_calls:
            raise InvalidRequest(
                f"{param}.tool_call_id = {message.tool_call_id!r} is none of the calls that the assistant's message "
                "before it made and that have no result yet. Send the assistant's message with its tool_calls.",
                param=f"{param}.tool_call_id",
                code="invalid_value",
            )
        open_calls.discard(message.tool_call_id)
        return
    _check_answered(open_calls, param)
    if message.role == "assistant":
        open_calls.update(call.id for call in message.tool_calls or ())


def _check_answered(open_calls: set[str], param: str) -> None:
    if open_calls:
        raise InvalidRequest(
            f"The calls {sorted(open_calls)!r} have no results where {param} stands. Let a message of the role 'tool' "
            "follow for each call.",
            param="messages",
            code="invalid_value",
        )
