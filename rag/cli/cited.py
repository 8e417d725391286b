"""Citations as lines of a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.cli.output import place

_PROBLEMS = {
    "contradicted": "the document says otherwise",
    "wrong_document": "another document says this",
    "stitched_quote": "put together from separate places of the document",
}
_UNSUPPORTED = "the document does not say this"


# Any: JSON of the service.
def citation_lines(text: str, citations: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One line each, in the order of the answer `text`; the same citation is shown once."""
    seen = set()
    for citation in citations:
        line = _citation_line(text, citation)
        if line not in seen:
            seen.add(line)
            yield f"\n{line}" if len(seen) == 1 else line


def _citation_line(text: str, citation: Mapping[str, Any]) -> str:
    marker, document = citation["marker"] or "(found)", citation["document"]
    if citation["status"] == "unsupported":
        statement = " ".join(text[citation["start"] : citation["end"]].split())
        reason = _PROBLEMS.get(citation["problem"], _UNSUPPORTED)
        return f'{marker} {document} — "{statement}" (unsupported: {reason})'
    quote = " ".join(citation["quote"].split())
    return f'{marker} {place(document, citation["anchor"] or {})} — "{quote}" ({citation["status"]})'
