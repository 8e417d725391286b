"""What fills an engine's cache: blocks counted by whose prompts brought them, and by the part that they stand in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.types import Segment

ANSWER = "answer"  # the part behind every prompt


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose prompts they are."""

    scope: str = ""  # who shares them: what the salt is derived from
    collection: str = ""  # its id; empty: the bare model's


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a block comes from. The system text is no collection's: all prompts with one salt share it."""

    owner: Owner
    part: str  # name of the segment in which the block ends, or `ANSWER`


Run = tuple[int, Origin]  # blocks up to this number, without it


@dataclass(slots=True, eq=False)
class Share:
    """Blocks of one origin."""

    origin: Origin
    n_blocks: int = 0


class Fill:
    """Blocks held, by origin. Origins without any are forgotten."""

    def __init__(self) -> None:
        """No blocks."""
        self._shares: dict[Origin, Share] = {}

    def share(self, origin: Origin) -> Share:
        """The share of an origin."""
        return self._shares.setdefault(origin, Share(origin))

    def move(self, old: Share | None, new: Share | None) -> None:
        """Count a block that comes to `new` and leaves `old`; None: it was not, or is no longer, known whose it is."""
        if new:
            new.n_blocks += 1
            self._shares[new.origin] = new
        if old:
            old.n_blocks -= 1
            if not old.n_blocks:
                self._shares.pop(old.origin, None)

    def clear(self) -> None:
        """Note that there are no blocks."""
        self._shares = {}

    def blocks(self) -> dict[Origin, int]:
        """How many there are of each origin."""
        return {origin: share.n_blocks for origin, share in self._shares.items() if share.n_blocks}


def runs(owner: Owner, segments: Sequence[Segment], block_size: int) -> Iterator[Run]:
    """The blocks of a prompt by origin, in its order. What follows is the answer's."""
    end = 0
    for segment in segments:
        end += segment.n_tokens
        of = Owner(owner.scope) if segment.name == "system" else owner
        yield end // block_size, Origin(of, segment.name)
