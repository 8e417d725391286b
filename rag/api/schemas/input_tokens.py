"""The body of `POST /v1/responses/input_tokens`."""

from pydantic import BaseModel, ConfigDict, Field

from rag.api.schemas.response_input import Input
from rag.api.schemas.response_tools import ToolBody
from rag.api.schemas.support import ACCEPTED, REFUSED, SUPPORTED
from rag.api.schemas.text import Text
from rag.api.schemas.tools import MAX_TOOLS
from rag.errors import InvalidRequest


class InputTokensRequest(BaseModel):
    """What is to be counted: the words of a request. Documents that an answer would show are not among them."""

    model_config = ConfigDict(extra="forbid")

    model: Text | None = Field(None, description="The model; unset: the served one.", json_schema_extra=SUPPORTED)
    input: Input | None = Field(None, description="A question, or items.", json_schema_extra=SUPPORTED)
    instructions: Text | None = Field(
        None, description="A system message before all others.", json_schema_extra=SUPPORTED
    )
    previous_response_id: Text | None = Field(
        None, description="The stored response whose conversation is counted too.", json_schema_extra=SUPPORTED
    )
    conversation: object = Field(
        None, description="Use previous_response_id: there are no conversation objects.", json_schema_extra=REFUSED
    )
    tools: list[ToolBody] | None = Field(
        None,
        max_length=MAX_TOOLS,
        description="Functions; a search adds no words of its own.",
        json_schema_extra=SUPPORTED,
    )
    tool_choice: object = Field(None, description="Changes no count.", json_schema_extra=ACCEPTED)
    parallel_tool_calls: object = Field(None, description="Changes no count.", json_schema_extra=ACCEPTED)
    text: object = Field(None, description="Changes no count.", json_schema_extra=ACCEPTED)
    reasoning: object = Field(None, description="Changes no count.", json_schema_extra=ACCEPTED)
    truncation: object = Field(None, description="Changes no count.", json_schema_extra=ACCEPTED)
    personality: object = Field(None, description="There are none.", json_schema_extra=ACCEPTED)

    def check(self) -> None:
        """Refuse by name what the service does not have.

        Raises:
            InvalidRequest: a conversation object, or nothing to count.
        """
        if self.conversation is not None:
            raise InvalidRequest(
                "conversation is not supported. Use previous_response_id.",
                param="conversation",
                code="unsupported_value",
            )
        if not (self.input or self.instructions or self.previous_response_id):
            raise InvalidRequest("There is nothing to count. Send input.", param="input")
