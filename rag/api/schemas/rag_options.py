"""Our extension of the requests that answers are made for."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
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
    answer: Literal["text", "quotes"] = "text"

    def document_filter(self) -> Filter | None:
        """Which documents the prompt may show.

        Raises:
            InvalidRequest: the filter is none.
        """
        return None if self.filter is None else parse_filter(self.filter, param="rag.filter")

    def check_answer(self, *, documents: bool, others: Mapping[str, bool]) -> None:
        """Refuse quotes where there is nothing to quote, or where something else says what may be written.

        documents: the answer comes from some. others: fields that also say it, and whether they do.

        Raises:
            InvalidRequest: quotes do not go with the rest of the request.
        """
        if self.answer == "text":
            return
        if not documents:
            raise InvalidRequest(
                "rag.answer = 'quotes' quotes documents, and this request searches none. Leave it out, or let the "
                "request search.",
                param="rag.answer",
                code="invalid_parameter_combination",
            )
        for name, is_given in others.items():
            if is_given:
                raise InvalidRequest(
                    f"rag.answer = 'quotes' and {name} both say what the answer is made of. Leave one out.",
                    param="rag.answer",
                    code="invalid_parameter_combination",
                )
