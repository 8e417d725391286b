"""What one engine probably holds of what it has computed."""

from collections import OrderedDict
from collections.abc import Sequence

from rag.plan.chain import BlockName


class Held:
    """The blocks of one engine, least recently used first, as far as they are known from what was sent to it.

    Planning reads it; only the pipeline, which owns it, changes it. The engine frees a request's blocks last
    one first, so the roots of prefixes live longest: `admit` keeps that order.

    Source: vLLM 0.32, v1/core/block_pool.py and single_type_kv_cache_manager.py.
    """

    def __init__(self, capacity_blocks: int | None) -> None:
        """capacity_blocks: blocks that fit the engine's cache; None where the engine does not tell (unbounded)."""
        self._capacity = capacity_blocks
        self._blocks: OrderedDict[BlockName, None] = OrderedDict()

    def __len__(self) -> int:
        """Blocks held."""
        return len(self._blocks)

    def match(self, chain: Sequence[BlockName]) -> int:
        """Leading blocks of `chain` that are held."""
        return next((index for index, name in enumerate(chain) if name not in self._blocks), len(chain))

    def admit(self, chain: Sequence[BlockName]) -> None:
        """Note that all blocks of `chain` are held now and were just used."""
        for name in reversed(chain):
            self._blocks[name] = None
            self._blocks.move_to_end(name)
        if self._capacity is not None:
            while len(self._blocks) > self._capacity:
                self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Note that the engine started anew."""
        self._blocks.clear()
