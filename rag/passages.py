"""Chunks as the chat model reads them: token arrays made once, and the shared prefix of a collection."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from rag.plan import Passage, choose_shared
from rag.render import Renderer
from rag.store import CollectionInfo, Generation, TokenStore
from rag.types import Chunk, Tokens

_BATCH = 256
_REMEMBERED = 64
# Numbers of passages in a tail are not known before it is planned; a label of three digits is the longest usual.
_A_LABEL = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPrefix:
    """The documents that every prompt of a collection starts with, for one tokenizer and window."""

    version: str  # changes exactly when its tokens do
    passages: tuple[Passage, ...]
    tokens: dict[int, Tokens]  # by seq
    n_tokens: int
    n_documents: int


class Passages:
    """Token arrays of chunks, from the store or made and stored. Calls block; any thread may call."""

    def __init__(self, renderer: Renderer, tokens: TokenStore) -> None:
        """Use `tokens`, a store for this renderer's tokenizer."""
        self._renderer = renderer
        self._store = tokens
        self._shared: OrderedDict[tuple[str, int, int], SharedPrefix] = OrderedDict()
        self._n_tokens: dict[tuple[str, int], int] = {}  # of generations that are filled
        self._a_label = len(renderer.label(_A_LABEL))

    def tokens(self, chunks: Sequence[Chunk]) -> dict[int, Tokens]:
        """The array of each chunk, by seq."""
        keys = {chunk.seq: self._key(chunk) for chunk in chunks}
        stored = self._store.get(list(keys.values()))
        missing = {keys[chunk.seq]: self._renderer.passage(chunk) for chunk in chunks if keys[chunk.seq] not in stored}
        if missing:
            self._store.put(missing)
        stored |= missing
        return {seq: stored[key] for seq, key in keys.items()}

    def cost(self, tokens: Tokens) -> int:
        """Prompt tokens that showing a passage takes, its label included."""
        return len(tokens) + self._a_label

    def shared(self, generation: Generation, *, budget_tokens: int) -> SharedPrefix:
        """The shared prefix of a generation. Made at its first use, then kept."""
        info: CollectionInfo = generation.info
        key = (info.id, generation.number, budget_tokens)
        if key not in self._shared:
            self._shared[key] = self._choose(generation, budget_tokens)
            while len(self._shared) > _REMEMBERED:
                self._shared.popitem(last=False)
        return self._shared[key]

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

    def _choose(self, generation: Generation, budget_tokens: int) -> SharedPrefix:
        chunks = generation.ordered_chunks()
        tokens: dict[int, Tokens] = {}
        passages: list[Passage] = []
        total = 0
        for number, chunk in enumerate(chunks, start=1):
            if (number - 1) % _BATCH == 0:
                tokens |= self.tokens(chunks[number - 1 : number - 1 + _BATCH])
            n_tokens = len(self._renderer.label(number)) + len(tokens[chunk.seq])
            passages.append(Passage(chunk=chunk, n_tokens=n_tokens))
            total += n_tokens
            if total > budget_tokens:  # of a large collection no more is read than that it is too large
                break
        chosen = choose_shared(passages, budget_tokens=budget_tokens)
        kept = {passage.chunk.seq: tokens[passage.chunk.seq] for passage in chosen}
        digest = hashlib.sha256(repr([kept[passage.chunk.seq] for passage in chosen]).encode()).hexdigest()
        return SharedPrefix(
            version=digest[:16],
            passages=chosen,
            tokens=kept,
            n_tokens=sum(passage.n_tokens for passage in chosen),
            n_documents=len({passage.chunk.document for passage in chosen}),
        )

    def _key(self, chunk: Chunk) -> str:
        return hashlib.sha256(self._renderer.parts.passage(chunk).encode("utf-8", "surrogatepass")).hexdigest()[:32]
