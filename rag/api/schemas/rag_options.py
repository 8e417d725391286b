"""Our extension of the requests that answers are made for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from rag.api.schemas.text import Text
from rag.retrieve.filter import Filter, parse_filter
from rag.types import CitationPolicy


class RagOptions(BaseModel):
    """Our extension of the request."""

    model_config = ConfigDict(extra="forbid")

    collection: Text | None = None
    top_k: StrictInt | None = Field(None, ge=1, le=1000)
    mode: Literal["auto", "off"] = "auto"
    include: list[Literal["context"]] = []
    citations: CitationPolicy | None = None
    filter: dict[str, object] | None = None

    def document_filter(self) -> Filter | None:
        """Which documents the prompt may show.

        Raises:
            InvalidRequest: the filter is none.
        """
        return None if self.filter is None else parse_filter(self.filter, param="rag.filter")
