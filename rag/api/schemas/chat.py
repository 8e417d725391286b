"""The body of `POST /v1/chat/completions`: what is honoured, what is accepted without effect, what is refused."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from rag.errors import InvalidRequest
from rag.retrieve.filter import Filter, parse_filter
from rag.types import Message, Role, Sampling

_MAX_MESSAGES = 2048
_MAX_STOPS = 4


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the text has half of a surrogate pair at character {error.start}") from None
    return text


Text = Annotated[StrictStr, AfterValidator(_encodable)]


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="ignore")  # prompt_cache_breakpoint and the like

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="ignore")  # name, refusal, annotations: of earlier answers, sent back

    role: Literal["developer", "system", "user", "assistant"]
    content: Text | list[TextPart] | None = None

    def as_message(self) -> Message:
        """The message as text."""
        role: Role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, list):
            return Message(role, "".join(part.text for part in self.content))
        return Message(role, self.content or "")


class StreamOptions(BaseModel):
    """What a stream carries beside text."""

    model_config = ConfigDict(extra="forbid")

    include_usage: StrictBool = False
    include_obfuscation: StrictBool = False  # accepted; nothing is padded on your own machine


class RagOptions(BaseModel):
    """Our extension of the request."""

    model_config = ConfigDict(extra="forbid")

    collection: Text | None = None
    top_k: StrictInt | None = Field(None, ge=1, le=1000)
    mode: Literal["auto", "off"] = "auto"
    include: list[Literal["context"]] = []
    filter: dict[str, object] | None = None

    def document_filter(self) -> Filter | None:
        """Which documents the prompt may show.

        Raises:
            InvalidRequest: the filter is none.
        """
        return None if self.filter is None else parse_filter(self.filter, param="rag.filter")


class ChatRequest(BaseModel):
    """The body. A field that is neither here nor in OpenAI's API is refused as unknown."""

    model_config = ConfigDict(extra="forbid")

    model: Text
    messages: list[ChatMessage] = Field(min_length=1, max_length=_MAX_MESSAGES)
    rag: RagOptions = RagOptions()
    stream: StrictBool | None = False
    stream_options: StreamOptions | None = None

    # Honoured, OpenAI's.
    max_tokens: StrictInt | None = Field(None, ge=1)
    max_completion_tokens: StrictInt | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: StrictInt | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Text | list[Text] | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, object] | None = None

    # Honoured, vLLM's.
    top_k: StrictInt | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0)

    # Accepted without effect: they change nothing in the answer of a self-hosted model.
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, object] | None = None
    prompt_cache_retention: str | None = None
    cache_salt: str | None = None  # always the access group's own
    parallel_tool_calls: bool | None = None

    # Refused when they ask for something.
    n: StrictInt | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[object] | None = None
    tool_choice: object = None
    functions: list[object] | None = None
    function_call: object = None
    modalities: list[str] | None = None
    audio: object = None
    prediction: object = None
    web_search_options: object = None
    reasoning_effort: object = None
    verbosity: object = None
    moderation: object = None

    def check(self) -> None:
        """Refuse by name what the service does not do.

        Raises:
            InvalidRequest: a field asks for something that is not supported.
        """
        harmless: dict[str, tuple[object, ...]] = {
            "n": (None, 1),
            "logprobs": (None, False),
            "top_logprobs": (None, 0),
            "tools": (None, []),
            "tool_choice": (None, "none", "auto"),
            "functions": (None, []),
            "function_call": (None, "none", "auto"),
            "modalities": (None, ["text"]),
            **dict.fromkeys(
                ("audio", "prediction", "web_search_options", "reasoning_effort", "verbosity", "moderation"), (None,)
            ),
        }
        for name, values in harmless.items():
            if getattr(self, name) not in values:
                raise InvalidRequest(
                    f"{name} = {getattr(self, name)!r} is not supported. Leave it out.",
                    param=name,
                    code="unsupported_value",
                )
        if isinstance(self.stop, list) and len(self.stop) > _MAX_STOPS:
            raise InvalidRequest(
                f"stop has {len(self.stop)} strings, the limit is {_MAX_STOPS}. Send fewer.", param="stop"
            )
        if "" in self.stops():
            raise InvalidRequest(
                "stop has an empty string, which would end every answer at once. Leave it out.", param="stop"
            )
        if self.stream_options and not self.stream:
            raise InvalidRequest("stream_options is only allowed when stream is true.", param="stream_options")

    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def sampling(self) -> Sampling:
        """How tokens are to be picked."""
        response_format = self.response_format
        return Sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            seed=self.seed,
            stop=self.stops(),
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            logit_bias=self.logit_bias or {},
            response_format=None if response_format == {"type": "text"} else response_format,
        )
