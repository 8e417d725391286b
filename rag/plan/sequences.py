"""The chunk sequences that prompts had behind their prefix: a tree to find one that an engine still holds."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rag.plan.chain import BlockName
from rag.plan.held import Held

_SEARCH = 256  # nodes that one search looks at before it takes the best so far


@dataclass(slots=True)
class _Node:
    n_tokens: int
    last_block: BlockName | None  # the last full block that ends within the chunk's end; None: none does
    n_sequences: int = 0
    children: dict[int, "_Node"] = field(default_factory=dict)


class Sequences:
    """Remembered sequences by root, which is whatever stands before them. Callers take turns.

    At most `capacity` sequences, the least recently used forgotten first: with five chunks each about 2 KB a
    sequence, measured (`rag bench planner`).

    Source: the tree of served sequences is CacheWeaver's (arXiv 2606.19667). Differences: it asks what the engine
    holds instead of trusting recency, and looks for the longest path instead of the first.
    """

    def __init__(self, capacity: int) -> None:
        """Remember nothing yet."""
        self._capacity = capacity
        self._roots: dict[str, _Node] = {}
        self._used: OrderedDict[tuple[str, tuple[int, ...]], None] = OrderedDict()

    def __len__(self) -> int:
        """Sequences remembered."""
        return len(self._used)

    def note(self, root: str, seqs: Sequence[int], n_tokens: Sequence[int], blocks: Sequence[BlockName | None]) -> None:
        """Remember that `seqs` was sent behind `root`. n_tokens, blocks: of each chunk, as a node has them."""
        key = (root, tuple(seqs))
        if not seqs:
            return
        if key in self._used:
            self._used.move_to_end(key)
            return
        self._used[key] = None
        node = self._roots.setdefault(root, _Node(0, None))
        for seq, size, block in zip(seqs, n_tokens, blocks, strict=True):
            node = node.children.setdefault(seq, _Node(size, block))
            node.n_sequences += 1
        while len(self._used) > self._capacity:
            self._forget(*self._used.popitem(last=False)[0])

    def longest_held(self, root: str, wanted: Collection[int], held: Held) -> tuple[int, ...]:
        """Of the sequences behind `root` made of `wanted` chunks alone, the one with most tokens that `held` has.

        Exact up to a bound on the nodes looked at; beyond it the best found so far.
        """
        best: tuple[int, tuple[int, ...]] = (0, ())
        top = self._roots.get(root)
        waiting: list[tuple[_Node, int, tuple[int, ...]]] = [(top, 0, ())] if top else []
        looked_at = 0
        while waiting and looked_at < _SEARCH:
            node, n_tokens, path = waiting.pop()
            looked_at += 1
            best = max(best, (n_tokens, path), key=lambda found: found[0])
            for seq in wanted:
                child = node.children.get(seq)
                if child and seq not in path and (child.last_block is None or held.holds(child.last_block)):
                    waiting.append((child, n_tokens + child.n_tokens, (*path, seq)))
        return best[1]

    def _forget(self, root: str, seqs: tuple[int, ...]) -> None:
        node = self._roots[root]
        for seq in seqs:
            child = node.children[seq]
            child.n_sequences -= 1
            if child.n_sequences == 0:
                del node.children[seq]
                break
            node = child
        if not self._roots[root].children:
            del self._roots[root]
