"""Chunks as the chat model reads them: token arrays made once, and what they cost in a prompt."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from rag.render import Renderer
from rag.store import Generation, TokenStore
from rag.types import Chunk, Tokens

_BATCH = 256
_KEYS = 8192  # chunks whose key is remembered; making one takes 20 us


class Passages:
    """Token arrays of chunks, from the store or made and stored. Calls block; any thread may call."""

    def __init__(self, renderer: Renderer, tokens: TokenStore) -> None:
        """Use `tokens`, a store for this renderer's tokenizer."""
        self.renderer = renderer
        self._store = tokens
        self._n_tokens: dict[tuple[str, int], int] = {}  # of generations that are filled
        self._key = lru_cache(maxsize=_KEYS)(self._make_key)

    @property
    def fingerprint(self) -> str:
        """Which tokenizer the arrays are of."""
        return self.renderer.tokenizer.fingerprint

    def tokens(self, chunks: Sequence[Chunk]) -> dict[int, Tokens]:
        """The array of each chunk, by seq."""
        keys = {chunk.seq: self._key(chunk) for chunk in chunks}
        stored = self._store.get(list(keys.values()))
        missing = {keys[chunk.seq]: self.renderer.passage(chunk) for chunk in chunks if keys[chunk.seq] not in stored}
        if missing:
            self._store.put(missing)
        stored |= missing
        return {seq: stored[key] for seq, key in keys.items()}

    def sizes(self, chunks: Sequence[Chunk]) -> list[int]:
        """The cost of each chunk, as if they all stood in one prompt in this order."""
        sizes: list[int] = []
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            arrays = self.tokens(batch)
            sizes += [
                self.renderer.cost(arrays[chunk.seq], number=number)
                for number, chunk in enumerate(batch, start=start + 1)
            ]
        return sizes

    def fill(self, generation: Generation) -> int:
        """Make and store the arrays of all chunks of a generation. The number of their tokens, counted once."""
        key = (generation.info.id, generation.number)
        if key not in self._n_tokens:
            chunks = generation.ordered_chunks()
            batches = (chunks[start : start + _BATCH] for start in range(0, len(chunks), _BATCH))
            self._n_tokens[key] = sum(len(array) for batch in batches for array in self.tokens(batch).values())
        return self._n_tokens[key]

    def close(self) -> None:
        """Close the store of token arrays."""
        self._store.close()

    def _make_key(self, chunk: Chunk) -> str:
        return hashlib.sha256(self.renderer.parts.passage(chunk).encode("utf-8", "surrogatepass")).hexdigest()[:32]
