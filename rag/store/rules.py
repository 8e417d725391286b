"""How a collection's folders are ingested, as it was last said for this collection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What `rag ingest` was told for a collection and holds from then on. None and empty: nothing was said."""

    chunk_tokens: int | None = None  # None: ingest.chunk_tokens of the settings
    include: tuple[str, ...] = ()  # patterns as in .gitignore; empty: every document
    exclude: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """What was said, as it stands in JSON."""
        said = {"chunk_tokens": self.chunk_tokens, "include": list(self.include), "exclude": list(self.exclude)}
        return {name: value for name, value in said.items() if value}


NO_RULES = Rules()


def read_rules(found: Mapping[str, Any]) -> Rules:  # Any: JSON from disk, checked here
    """The rules that `as_dict` gave.

    Raises:
        ValueError, TypeError: they are none.
    """
    tokens = found.get("chunk_tokens")
    return Rules(
        chunk_tokens=None if tokens is None else int(tokens),
        include=tuple(map(str, found.get("include", ()))),
        exclude=tuple(map(str, found.get("exclude", ()))),
    )
