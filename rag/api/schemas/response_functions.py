"""Functions that a response may call, and which of the tools it must use."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, Tag

from rag.api.schemas.json_schema import SchemaName, function_tool
from rag.api.schemas.support import ACCEPTED, SUPPORTED
from rag.api.schemas.text import Text
from rag.api.schemas.tools import MAX_TOOLS
from rag.errors import InvalidRequest
from rag.types import Tool, ToolChoice

_FILE_SEARCH = "file_search"


class FunctionTool(BaseModel):
    """A function that the client can run."""

    model_config = ConfigDict(extra="ignore")  # async, defer_loading and the like

    type: Literal["function"] = Field(description="The tool.", json_schema_extra=SUPPORTED)
    name: SchemaName = Field(description="What the model calls it by.", json_schema_extra=SUPPORTED)
    description: Text | None = Field(None, description="When to call it.", json_schema_extra=SUPPORTED)
    parameters: dict[str, object] | None = Field(
        None, description="A JSON Schema of an object.", json_schema_extra=SUPPORTED
    )
    strict: StrictBool | None = Field(
        None, description="Arguments follow the schema wherever a call is required.", json_schema_extra=ACCEPTED
    )

    def tool(self, path: str) -> Tool:
        """The function for the pipeline. path: of this tool in the body.

        Raises:
            InvalidRequest: its schema is none of an object, or over a limit.
        """
        return function_tool(self.name, self.description, self.parameters, f"{path}.parameters")


class NamedTool(BaseModel):
    """One of the tools."""

    model_config = ConfigDict(extra="ignore")

    type: Text
    name: Text | None = None  # of a function


class Chosen(NamedTool):
    """A tool that must be used, or those that alone may be."""

    mode: Literal["auto", "required"] = "auto"  # with the type allowed_tools, as the next one
    tools: list[NamedTool] = Field([], max_length=MAX_TOOLS)


def _kind(value: object) -> str:
    # Tags that are no identifiers: a field's path in an error message leaves them out.
    return "a word" if isinstance(value, str) else "an object"


Choice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("a word")] | Annotated[Chosen, Tag("an object")],
    Discriminator(_kind),
]


def may_search(choice: Choice) -> bool:
    """Whether the choice lets the response search, if it has a `file_search` tool."""
    if not isinstance(choice, Chosen):
        return choice != "none"
    return choice.type == _FILE_SEARCH or any(tool.type == _FILE_SEARCH for tool in choice.tools)


def read_choice(choice: Choice, functions: Sequence[Tool], *, searches: bool, parallel: bool) -> ToolChoice:
    """Which of the functions may or must be called. A search is a call, so it is enough where one is required.

    Raises:
        InvalidRequest: it asks for a tool that there is not.
    """
    if isinstance(choice, str):
        if choice == "required" and not functions and not searches:
            raise InvalidRequest(
                "tool_choice = 'required' needs tools. Name one, or leave it out.", param="tool_choice"
            )
        return ToolChoice(mode="auto" if choice == "required" and searches else choice, parallel=parallel)
    named = choice.tools if choice.type == "allowed_tools" else [choice]
    there = {tool.name for tool in functions}
    for tool in named:
        if not (tool.type == _FILE_SEARCH and searches) and not (tool.type == "function" and tool.name in there):
            raise InvalidRequest(
                f"tool_choice names {tool.name or tool.type!r}, which is not among the tools. Correct one of them.",
                param="tool_choice",
            )
    names = frozenset(tool.name for tool in named if tool.name is not None)
    if not names:
        return ToolChoice(mode="none")
    if choice.type == "function":
        return ToolChoice(mode="required", names=names, parallel=False)
    mode = "auto" if any(tool.type == _FILE_SEARCH for tool in named) else choice.mode
    return ToolChoice(mode=mode, names=names, parallel=parallel)
