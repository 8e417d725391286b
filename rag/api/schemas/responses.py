"""The body of `POST /v1/responses`: what is honoured, what is accepted without effect, what is refused."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from rag.api.schemas.rag_options import RagOptions
from rag.api.schemas.response_functions import Choice, FunctionTool, read_choice
from rag.api.schemas.response_input import Input
from rag.api.schemas.response_text import TextOptions
from rag.api.schemas.response_tools import ToolBody, Tools, read_tools
from rag.api.schemas.sampling import ServiceTier, check_stream_options, refuse_unsupported
from rag.api.schemas.support import ACCEPTED, REFUSED, SUPPORTED
from rag.api.schemas.text import Metadata, Text
from rag.api.schemas.tools import MAX_TOOLS
from rag.errors import InvalidRequest
from rag.types import Sampling, ToolChoice

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
RESULTS: Include = "file_search_call.results"
LOGPROBS: Include = "message.output_text.logprobs"


class Reasoning(BaseModel):
    """How the model is to think."""

    model_config = ConfigDict(extra="ignore")

    effort: Text | None = Field(None, description="Only none: no model here reasons apart.", json_schema_extra=REFUSED)
    summary: Text | None = Field(None, description="There is no reasoning to sum up.", json_schema_extra=ACCEPTED)


class StreamOptions(BaseModel):
    """What a stream carries beside text."""

    model_config = ConfigDict(extra="forbid")

    include_obfuscation: StrictBool = Field(False, description="Nothing is padded.", json_schema_extra=ACCEPTED)


class ResponseRequest(BaseModel):
    """The body. A field that is neither here nor in OpenAI's API is refused as unknown."""

    model_config = ConfigDict(extra="forbid")

    model: Text = Field(description="The model; with `:plain` it never searches.", json_schema_extra=SUPPORTED)
    input: Input = Field(description="A question, or items that end with one.", json_schema_extra=SUPPORTED)
    instructions: Text | None = Field(
        None, description="A system message before all others; not carried over.", json_schema_extra=SUPPORTED
    )
    previous_response_id: Text | None = Field(
        None, description="The stored response that this one continues.", json_schema_extra=SUPPORTED
    )
    tools: list[ToolBody] = Field(
        [], max_length=MAX_TOOLS, description="file_search and functions.", json_schema_extra=SUPPORTED
    )
    tool_choice: Choice = Field(
        "auto",
        description="none: nothing is searched or called. A search is enough where a call is required.",
        json_schema_extra=SUPPORTED,
    )
    include: list[Include] | None = Field(
        None,
        description="file_search_call.results and message.output_text.logprobs; of the others there is nothing.",
        json_schema_extra=SUPPORTED,
    )
    rag: RagOptions = Field(RagOptions(), description="Our extension.", json_schema_extra=SUPPORTED)
    stream: StrictBool | None = Field(False, description="Events as they come.", json_schema_extra=SUPPORTED)
    stream_options: StreamOptions | None = Field(None, description="Of a stream.", json_schema_extra=ACCEPTED)
    store: StrictBool | None = Field(
        True, description="false: nothing of it is written to disk.", json_schema_extra=SUPPORTED
    )
    metadata: Metadata | None = Field(None, description="Kept with the response.", json_schema_extra=SUPPORTED)
    text: TextOptions = Field(TextOptions(), description="The form of the answer.", json_schema_extra=SUPPORTED)
    max_output_tokens: StrictInt | None = Field(
        None, ge=1, description="Longest answer; unset: prompt.answer_tokens.", json_schema_extra=SUPPORTED
    )
    temperature: float | None = Field(None, ge=0, le=2, description="Sampling.", json_schema_extra=SUPPORTED)
    top_p: float | None = Field(None, gt=0, le=1, description="Sampling.", json_schema_extra=SUPPORTED)

    parallel_tool_calls: StrictBool | None = Field(
        True, description="false: one call of a function at most.", json_schema_extra=SUPPORTED
    )
    top_logprobs: StrictInt | None = Field(
        None,
        ge=0,
        le=20,
        description="Likeliest tokens at each position, where log probabilities are included.",
        json_schema_extra=SUPPORTED,
    )
    max_tool_calls: StrictInt | None = Field(
        None, ge=1, description="An answer searches once.", json_schema_extra=ACCEPTED
    )
    user: Text | None = Field(None, description="Echoed.", json_schema_extra=ACCEPTED)
    safety_identifier: Text | None = Field(None, description="Echoed.", json_schema_extra=ACCEPTED)
    prompt_cache_key: Text | None = Field(
        None, description="Echoed; what is reused is found without it.", json_schema_extra=ACCEPTED
    )
    prompt_cache_options: dict[str, object] | None = Field(
        None, description="Reuse needs no options.", json_schema_extra=ACCEPTED
    )
    prompt_cache_retention: Text | None = Field(
        None, description="Keys and values stay as long as the engine has room.", json_schema_extra=ACCEPTED
    )
    service_tier: ServiceTier | None = Field(
        None, description="There is one tier: the answer says `default`.", json_schema_extra=SUPPORTED
    )

    truncation: Literal["auto", "disabled"] | None = Field(
        None,
        description="auto: the oldest turns go where there is no room; unset: server.history_overflow decides.",
        json_schema_extra=SUPPORTED,
    )
    reasoning: Reasoning | None = Field(
        None, description="No model here reasons apart: effort is refused.", json_schema_extra=ACCEPTED
    )
    background: StrictBool | None = Field(
        None, description="Answers are given at once.", json_schema_extra={**REFUSED, "harmless": [False]}
    )
    background_options: object = Field(None, description="As background.", json_schema_extra=REFUSED)
    conversation: object = Field(
        None, description="Use previous_response_id: there are no conversation objects.", json_schema_extra=REFUSED
    )
    prompt: object = Field(None, description="There are no stored prompts.", json_schema_extra=REFUSED)
    context_management: object = Field(
        None, description="Nothing is compacted.", json_schema_extra={**REFUSED, "harmless": [[]]}
    )
    moderation: object = Field(None, description="Nothing is moderated.", json_schema_extra=REFUSED)
    image: object = Field(None, description="There are no images.", json_schema_extra=REFUSED)
    access_programs: object = Field(None, description="There are none.", json_schema_extra=REFUSED)

    def check(self) -> None:
        """Refuse by name what the service does not do.

        Raises:
            InvalidRequest: a field asks for something that is not supported, or does not go with another.
        """
        refuse_unsupported(self)
        if self.reasoning and self.reasoning.effort not in (None, "none"):
            raise InvalidRequest(
                f"reasoning.effort = {self.reasoning.effort!r} is not supported. Leave it out.",
                param="reasoning.effort",
                code="unsupported_value",
            )
        self.text.check()
        check_stream_options(stream=self.stream, given=self.stream_options is not None)
        tools = self.read_tools()
        if tools.search and self.rag.collection:
            raise InvalidRequest(
                f"rag.collection and {tools.search_path}.vector_store_ids both name a collection. Leave one out.",
                param="rag.collection",
            )

    def read_tools(self) -> Tools:
        """The tools.

        Raises:
            InvalidRequest: one that the service does not have.
        """
        return read_tools(self.tools)

    def read_choice(self, tools: Tools) -> ToolChoice:
        """Which of the functions may or must be called.

        Raises:
            InvalidRequest: it asks for a tool that there is not.
        """
        parallel = self.parallel_tool_calls is not False
        return read_choice(self.tool_choice, tools.functions, searches=bool(tools.search), parallel=parallel)

    def includes(self, what: Include) -> bool:
        """Whether the client asked for this as well."""
        return what in (self.include or ())

    def sampling(self) -> Sampling:
        """How tokens are to be picked."""
        return Sampling(
            max_tokens=self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_logprobs=(self.top_logprobs or 0) if self.includes(LOGPROBS) else None,
            response_format=self.text.response_format(),
        )

    def echo(self) -> dict[str, object]:
        """The fields that every response to this request repeats."""
        choice = self.tool_choice
        return {
            "background": False,
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": self.max_tool_calls,
            "metadata": self.metadata or {},
            "model": self.model,
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "previous_response_id": self.previous_response_id,
            "prompt_cache_key": self.prompt_cache_key,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": self.safety_identifier,
            "service_tier": "default",
            "store": self.store is not False,
            "temperature": self.temperature,
            "text": self.text.echo(),
            "tool_choice": choice if isinstance(choice, str) else choice.model_dump(exclude_unset=True),
            "tools": [_tool_json(tool) for tool in self.tools],
            "top_logprobs": self.top_logprobs or 0,
            "top_p": self.top_p,
            "user": self.user,
        }


def _tool_json(tool: ToolBody) -> dict[str, object]:
    shown = tool.model_dump(exclude_none=True)
    return {"parameters": None, "strict": None, **shown} if isinstance(tool, FunctionTool) else shown
