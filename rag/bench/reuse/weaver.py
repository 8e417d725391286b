"""CacheWeaver's tree of what was served lately, written anew from its description: no code was released.

Source: arXiv 2606.19667 (June 2026). A sequence is inserted when its request has finished; "in the engine's cache" is
taken for "served lately". For new chunks a walk starts at the root and takes again and again the first remaining
chunk, in retrieval order, that is a child of where it stands; when none is, the rest follows in retrieval order.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rag.types import Chunk

_MOST_REQUESTS = 10_000


@dataclass(slots=True)
class _Node:
    n_requests: int = 0  # remembered ones that pass here; with none left the node goes
    children: dict[int, "_Node"] = field(default_factory=dict)


class PrefixTree:
    """Sequences of chunks of the last H requests.

    Which H suits depends on the engine's cache, which the paper leaves open. Here as many are remembered as have
    room in it when what they share counts once, which is the most that the tree can say rightly; never more than
    10,000. Cost of a walk: O(k^2) look-ups for k chunks.
    """

    def __init__(self, cost: Callable[[Chunk], int], *, capacity_tokens: int | None) -> None:
        """cost: tokens of a chunk in a prompt. capacity_tokens: of the engine's cache; None: unbounded."""
        self._cost = cost
        self._capacity = capacity_tokens
        self._root = _Node()
        self._requests: deque[tuple[Chunk, ...]] = deque()
        self._n_tokens = 0

    def walk(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks along a path that was served, then the rest as it stood."""
        rest, taken, node = list(chunks), list[Chunk](), self._root
        while found := next((chunk for chunk in rest if chunk.seq in node.children), None):
            rest.remove(found)
            taken.append(found)
            node = node.children[found.seq]
        return taken + rest

    def insert(self, chunks: Sequence[Chunk]) -> None:
        """Nothing; the sequence is remembered, and old ones are forgotten that have no room any more."""
        self._requests.append(tuple(chunks))
        node = self._root
        for chunk in chunks:
            node = node.children.setdefault(chunk.seq, _Node())
            self._n_tokens += self._cost(chunk) if node.n_requests == 0 else 0
            node.n_requests += 1
        while len(self._requests) > _MOST_REQUESTS or (self._is_over() and len(self._requests) > 1):
            self._forget(self._requests.popleft())

    def _is_over(self) -> bool:
        return self._capacity is not None and self._n_tokens > self._capacity

    def _forget(self, chunks: Sequence[Chunk]) -> None:
        node = self._root
        for chunk in chunks:
            child = node.children[chunk.seq]
            child.n_requests -= 1
            if child.n_requests == 0:
                self._n_tokens -= self._cost(chunk)
                del node.children[chunk.seq]
            node = child
