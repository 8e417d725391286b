"""The body of `POST /v1/chat/completions`: what is honoured, what is accepted without effect, what is refused."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from rag.api.schemas.messages import ChatMessage
from rag.api.schemas.rag_options import RagOptions
from rag.api.schemas.sampling import SamplingFields, ServiceTier
from rag.api.schemas.support import ACCEPTED, REFUSED, SUPPORTED
from rag.api.schemas.text import Metadata, Text
from rag.api.schemas.tools import MAX_TOOLS, Choice, ResponseFormat, ToolDefinition, read_choice, read_tools
from rag.errors import InvalidRequest
from rag.types import Sampling, Tool, ToolChoice

_MAX_MESSAGES = 2048


class CacheOptions(BaseModel):
    """OpenAI's options of its prompt cache."""

    model_config = ConfigDict(extra="ignore")

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Text | None = None


class ChatRequest(SamplingFields):
    """The body. A field that is neither here nor in OpenAI's API is refused as unknown."""

    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=_MAX_MESSAGES,
        description="All roles; text and refusal parts. Images, audio and files are refused by name.",
        json_schema_extra=SUPPORTED,
    )
    rag: RagOptions = Field(RagOptions(), description="Ours: which documents answer.", json_schema_extra=SUPPORTED)

    max_completion_tokens: StrictInt | None = Field(
        None,
        ge=1,
        description="Most tokens of each answer; `max_tokens` under its new name.",
        json_schema_extra=SUPPORTED,
    )
    logprobs: StrictBool | None = Field(
        None,
        description="Log probabilities of every token that the model wrote, those of removed markers and of tool calls "
        "too; in a stream they may run ahead of the text, of which some is held back.",
        json_schema_extra=SUPPORTED,
    )
    top_logprobs: StrictInt | None = Field(
        None,
        ge=0,
        le=20,
        description="Likeliest tokens at each position; needs `logprobs`.",
        json_schema_extra=SUPPORTED,
    )
    response_format: ResponseFormat | None = Field(
        None,
        description="text, json_object or json_schema; with tools, an answer of this shape or calls. JSON is never "
        "changed: markers in it stay, and are not read.",
        json_schema_extra=SUPPORTED,
    )
    tools: list[ToolDefinition] | None = Field(
        None,
        max_length=MAX_TOOLS,
        description="Functions; with tool_choice auto the setting engine.tool_parser must name the model's way.",
        json_schema_extra=SUPPORTED,
    )
    tool_choice: Choice | None = Field(
        None, description="none, auto, required, a function, or allowed_tools.", json_schema_extra=SUPPORTED
    )
    parallel_tool_calls: StrictBool | None = Field(
        None, description="false: one call at most.", json_schema_extra=SUPPORTED
    )
    metadata: Metadata | None = Field(None, description="Sent back with the answer.", json_schema_extra=SUPPORTED)
    service_tier: ServiceTier | None = Field(
        None, description="There is one tier: the answer says `default`.", json_schema_extra=SUPPORTED
    )

    store: StrictBool | None = Field(None, description="Chat completions are not kept.", json_schema_extra=ACCEPTED)
    safety_identifier: Annotated[Text, Field(max_length=128)] | None = Field(
        None, description="Nothing is kept by user.", json_schema_extra=ACCEPTED
    )
    prompt_cache_key: Text | None = Field(
        None, description="Reuse is found by the prompt's tokens; it needs no key.", json_schema_extra=ACCEPTED
    )
    prompt_cache_options: CacheOptions | None = Field(
        None, description="Everything is reused block by block, for as long as it fits.", json_schema_extra=ACCEPTED
    )
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = Field(
        None, description="What is reused stays for as long as it fits the engine's memory.", json_schema_extra=ACCEPTED
    )
    prediction: object = Field(None, description="It would only make answers faster.", json_schema_extra=ACCEPTED)

    functions: list[object] | None = Field(
        None, description="Send tools.", json_schema_extra={**REFUSED, "harmless": [[]]}
    )
    function_call: object = Field(
        None, description="Send tool_choice.", json_schema_extra={**REFUSED, "harmless": ["none", "auto"]}
    )
    modalities: list[Text] | None = Field(
        None, description="Answers are text.", json_schema_extra={**REFUSED, "harmless": [["text"]]}
    )
    audio: object = Field(None, description="Answers are text.", json_schema_extra=REFUSED)
    web_search_options: object = Field(None, description="Answers come from your documents.", json_schema_extra=REFUSED)
    reasoning_effort: object = Field(
        None,
        description="How much a model thinks is its own affair.",
        json_schema_extra={**REFUSED, "harmless": ["none"]},
    )
    verbosity: object = Field(
        None,
        description="Say in the messages how long answers shall be.",
        json_schema_extra={**REFUSED, "harmless": ["medium"]},
    )
    moderation: object = Field(None, description="Nothing is moderated.", json_schema_extra=REFUSED)

    def check(self, n_vocabulary: int) -> None:
        """Refuse by name what the service does not do.

        n_vocabulary: token ids are below it.

        Raises:
            InvalidRequest: a field asks for something that is not supported, or does not go with another.
        """
        self.check_sampling(n_vocabulary)
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise InvalidRequest(
                "max_tokens and max_completion_tokens mean the same. Send one, best the latter.",
                param="max_tokens",
                code="invalid_parameter_combination",
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidRequest(
                "top_logprobs is only allowed when logprobs is true. Set logprobs, or leave it out.",
                param="top_logprobs",
            )
        for name in ("tool_choice", "parallel_tool_calls"):
            if not self.tools and getattr(self, name) not in (None, "none", "auto"):
                raise InvalidRequest(
                    f"{name} is only allowed when tools are given. Send tools, or leave it out.", param=name
                )

    def tools_and_choice(self) -> tuple[tuple[Tool, ...], ToolChoice]:
        """The tools, and which of them may or must be called.

        Raises:
            InvalidRequest: one is not what the service can offer a model.
        """
        tools = read_tools(self.tools or ())
        choice = read_choice(self.tool_choice, tools, parallel=self.parallel_tool_calls is not False)
        return tools, choice

    def sampling(self) -> Sampling:
        """How tokens are to be picked."""
        return replace(
            super().sampling(),
            max_tokens=self.max_completion_tokens or self.max_tokens,
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            response_format=self.response_format.as_engine_has_it() if self.response_format else None,
        )
