"""What an engine says of its prefix cache, as values."""

from collections.abc import Sequence
from dataclasses import dataclass

EngineHash = int | bytes  # an engine's own name of a block: opaque here


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Blocks that follow each other in one prompt are in the cache.

    is_report: asked for by a request, so it may speak of blocks that were stored before; otherwise every block is
    a new copy.
    """

    hashes: tuple[EngineHash, ...]
    parent: EngineHash | None  # the block in front of the first; None: they begin the prompt
    token_ids: Sequence[int]  # the same number for each block
    salt: str = ""  # of the prompt; only told where there is no parent
    is_report: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """One copy of each block is gone."""

    hashes: tuple[EngineHash, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """Nothing is in the cache any more."""


News = Stored | Removed | Cleared
