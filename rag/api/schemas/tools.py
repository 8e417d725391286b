"""The tools of a chat request, and the shape of its answer."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from rag.api.schemas.json_schema import SchemaName, answer_format, check_schema, function_tool
from rag.api.schemas.support import missing
from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Tool, ToolChoice

MAX_TOOLS = 128


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FunctionDefinition(_Strict):
    """A function that the client can run."""

    name: SchemaName
    description: Text | None = None
    parameters: dict[str, object] | None = None
    strict: StrictBool | None = None  # arguments follow the schema anyway wherever a call is required


class ToolDefinition(_Strict):
    """A tool. Only functions are supported."""

    type: Literal["function", "custom"]
    function: FunctionDefinition | None = None
    custom: dict[str, object] | None = None


class NamedFunction(_Strict):
    """The name of a function."""

    name: SchemaName


class NamedTool(_Strict):
    """A tool by its name."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(_Strict):
    """Some of the tools."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool] = Field(min_length=1, max_length=MAX_TOOLS)


class AllowedToolsChoice(_Strict):
    """A choice among some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


Choice = Literal["none", "auto", "required"] | NamedTool | AllowedToolsChoice


class JsonSchemaFormat(_Strict):
    """The schema of an answer."""

    name: SchemaName
    description: Text | None = None
    schema_: dict[str, object] | None = Field(None, alias="schema")
    strict: StrictBool | None = None  # every answer follows its schema


class ResponseFormat(_Strict):
    """The shape of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None

    def as_engine_has_it(self) -> dict[str, object] | None:
        """For the engine; None: text.

        Raises:
            InvalidRequest: the schema is missing, or over a limit.
        """
        if self.type != "json_schema":
            return answer_format(self.type, None, None)
        if self.json_schema is None or self.json_schema.schema_ is None:
            raise missing("response_format.json_schema" + (".schema" if self.json_schema else ""))
        check_schema(self.json_schema.schema_, "response_format.json_schema.schema")
        return answer_format(self.type, self.json_schema.name, self.json_schema.schema_)


def read_tools(definitions: Sequence[ToolDefinition]) -> tuple[Tool, ...]:
    """The functions.

    Raises:
        InvalidRequest: one is no function, has another's name, or a schema that is none or over a limit.
    """
    tools: dict[str, Tool] = {}
    for index, definition in enumerate(definitions):
        param, function = f"tools[{index}]", definition.function
        if definition.type != "function":
            raise InvalidRequest(
                f"{param}.type = {definition.type!r} is not supported. Describe the tool as a function.",
                param=f"{param}.type",
                code="unsupported_value",
            )
        if function is None:
            raise missing(f"{param}.function")
        if function.name in tools:
            raise InvalidRequest(
                f"{param}.function.name = {function.name!r} is another tool's as well. Give each a name of its own.",
                param=f"{param}.function.name",
                code="invalid_value",
            )
        where = f"{param}.function.parameters"
        tools[function.name] = function_tool(function.name, function.description, function.parameters, where)
    return tuple(tools.values())


def read_choice(choice: Choice | None, tools: Sequence[Tool], *, parallel: bool) -> ToolChoice:
    """Which of `tools` may or must be called.

    Raises:
        InvalidRequest: it asks for tools that there are not.
    """
    names: frozenset[str] | None = None
    mode: Literal["none", "auto", "required"]
    match choice:
        case NamedTool():
            mode, names, parallel = "required", frozenset([choice.function.name]), False
        case AllowedToolsChoice():
            mode = choice.allowed_tools.mode
            names = frozenset(tool.function.name for tool in choice.allowed_tools.tools)
        case _:
            mode = choice or "auto"
    if unknown := sorted((names or frozenset()) - {tool.name for tool in tools}):
        raise InvalidRequest(
            f"tool_choice names {unknown[0]!r}, which is none of the tools. Define it, or correct the name.",
            param="tool_choice",
            code="invalid_value",
        )
    if mode == "required" and not tools:
        raise InvalidRequest(
            "tool_choice = 'required' needs tools to choose from. Send some.", param="tool_choice", code="invalid_value"
        )
    return ToolChoice(mode=mode, names=names, parallel=parallel)
