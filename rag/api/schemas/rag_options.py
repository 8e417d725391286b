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

    collection: Text | None = Field(None, description="Name or id of the collection that is searched; unset: default.")
    top_k: StrictInt | None = Field(None, ge=1, le=1000, description="Passages to find; unset: retrieve.top_k.")
    mode: Literal["auto", "off"] = Field("auto", description="off: nothing is searched, the bare model answers.")
    include: list[Literal["context"]] = Field([], description="context: the answer comes with what the prompt showed.")
    citations: CitationPolicy | None = Field(
        None, description="What becomes of unsupported citations; unset: citations.policy."
    )
    filter: dict[str, object] | None = Field(
        None, description="Which documents may be shown; see docs/openai-files.md."
    )
    answer: Literal["text", "quotes"] = Field(
        "text", description="quotes: sentences of the documents and nothing else."
    )

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
