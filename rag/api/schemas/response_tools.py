"""The tools of a Responses request: `file_search` and functions; other hosted ones are refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictFloat, StrictInt, Tag

from rag.api.schemas.response_functions import FunctionTool
from rag.api.schemas.support import ACCEPTED, REFUSED, SUPPORTED
from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Tool


class RankingOptions(BaseModel):
    """How hits are ranked."""

    model_config = ConfigDict(extra="forbid")

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = Field(
        None, description="There is one ranker, whichever is named.", json_schema_extra=ACCEPTED
    )
    score_threshold: StrictFloat | StrictInt | None = Field(
        None, ge=0, le=1, description="Only 0: a floor for scores is not supported.", json_schema_extra=REFUSED
    )
    hybrid_search: dict[str, object] | None = Field(
        None, description="Search is by meaning alone.", json_schema_extra=REFUSED
    )


class FileSearchTool(BaseModel):
    """Answers come from a vector store, which is a collection."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["file_search"] = Field(description="The tool.", json_schema_extra=SUPPORTED)
    vector_store_ids: list[Text] = Field(
        description="One vector store, by id or name. More than one is refused.", json_schema_extra=SUPPORTED
    )
    max_num_results: StrictInt | None = Field(
        None, ge=1, le=50, description="Chunks to retrieve; unset: retrieve.top_k.", json_schema_extra=SUPPORTED
    )
    filters: dict[str, object] | None = Field(
        None, description="Which documents are searched.", json_schema_extra=REFUSED
    )
    ranking_options: RankingOptions | None = Field(None, description="How hits are ranked.", json_schema_extra=ACCEPTED)

    def check(self, path: str) -> None:
        """Refuse by name what the service does not do.

        path: of this tool in the body.

        Raises:
            InvalidRequest: not exactly one store, or an option that is not supported.
        """
        if len(self.vector_store_ids) != 1:
            raise InvalidRequest(
                f"{path}.vector_store_ids has {len(self.vector_store_ids)} ids; an answer comes from one vector store, "
                "so that its prompt can be reused. Name one.",
                param=f"{path}.vector_store_ids",
                code="unsupported_value",
            )
        ranking = self.ranking_options or RankingOptions()
        refused = {
            "filters": self.filters,
            "ranking_options.score_threshold": ranking.score_threshold,
            "ranking_options.hybrid_search": ranking.hybrid_search,
        }
        for name, value in refused.items():
            if value:
                raise InvalidRequest(
                    f"{path}.{name} is not supported. Leave it out.", param=f"{path}.{name}", code="unsupported_value"
                )


class OtherTool(BaseModel):
    """A tool that does not exist here."""

    model_config = ConfigDict(extra="ignore")

    type: Text = Field(description="Any other tool.", json_schema_extra=REFUSED)


def _kind(value: object) -> str:
    name = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    # Tags that are no identifiers: a field's path in an error message leaves them out.
    return {"file_search": "file search", "function": "a function"}.get(str(name), "another tool")


ToolBody = Annotated[
    Annotated[FileSearchTool, Tag("file search")]
    | Annotated[FunctionTool, Tag("a function")]
    | Annotated[OtherTool, Tag("another tool")],
    Discriminator(_kind),
]


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of a request."""

    search: FileSearchTool | None
    search_path: str  # of it in the body
    functions: tuple[Tool, ...]


def read_tools(tools: Sequence[ToolBody]) -> Tools:
    """The tools, each of which the service has.

    Raises:
        InvalidRequest: another hosted tool, a second search, or two functions of one name.
    """
    search, search_path = None, ""
    functions: dict[str, Tool] = {}
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        match tool:
            case FileSearchTool() if search is None:
                tool.check(path)
                search, search_path = tool, path
            case FunctionTool() if tool.name not in functions:
                functions[tool.name] = tool.tool(path)
            case OtherTool():
                raise InvalidRequest(
                    f"{path}.type = {tool.type!r} is not supported: nothing of the kind runs here. Leave the tool out.",
                    param=f"{path}.type",
                    code="unsupported_value",
                )
            case _:
                what = f"function named {tool.name!r}" if isinstance(tool, FunctionTool) else "file_search tool"
                raise InvalidRequest(f"{path} is a second {what}. Send one.", param=path, code="unsupported_value")
    return Tools(search, search_path, tuple(functions.values()))
