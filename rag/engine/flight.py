"""Single flight: of requests that miss the same prefix, one computes it and the others wait for that."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.plan import BlockName

# A wait pays if the other request's work is mostly what this one needs too.
_WORTH = 0.5


@dataclass(slots=True, eq=False)
class Flight:
    """One request on its way to its first token."""

    blocks: tuple[BlockName, ...] = ()
    n_tokens: int = 0  # of its prompt that the engine has to compute
    landed: asyncio.Event = field(default_factory=asyncio.Event)


class Flights:
    """The blocks that one engine is computing at present. Used on one event loop."""

    def __init__(self) -> None:
        """None."""
        self.n_tokens = 0  # of all flights
        self._by_block: dict[BlockName, Flight] = {}

    def __contains__(self, name: object) -> bool:
        """Whether a request is computing this block. Any thread may ask."""
        return name in self._by_block

    def shared(self, missing: Sequence[BlockName]) -> Flight | None:
        """The flight that is worth waiting for by one that lacks these blocks, in order; None: there is none."""
        flight = self._by_block.get(missing[0]) if missing else None
        if flight is None:
            return None
        n_shared = next((index for index, name in enumerate(missing) if self._by_block.get(name) is not flight), None)
        n_shared = len(missing) if n_shared is None else n_shared
        return flight if n_shared >= _WORTH * len(flight.blocks) else None

    def start(self, missing: Sequence[BlockName], n_tokens: int) -> Flight:
        """A flight that computes those of the missing blocks that no other one does."""
        flight = Flight(tuple(name for name in missing if name not in self._by_block), n_tokens)
        self.n_tokens += n_tokens
        self._by_block.update(dict.fromkeys(flight.blocks, flight))
        return flight

    def land(self, flight: Flight) -> None:
        """The blocks are computed, or will not be. Landing twice is landing once."""
        if not flight.landed.is_set():
            flight.landed.set()
            self.n_tokens -= flight.n_tokens
            for name in flight.blocks:
                del self._by_block[name]
