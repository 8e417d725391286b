"""Dense search: the question's vector against every vector of the generation."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from rag.embed import Batcher
from rag.store import Generation
from rag.types import Hit

# A conversation asks for the vectors of its earlier questions with every turn.
_REMEMBERED = 4096


class Retriever:
    """Finds hits. Remembers the vectors of recent questions, so a question's hits do not change within a process."""

    def __init__(self, batcher: Batcher, executor: Executor) -> None:
        """Encode with `batcher`; search in `executor`, since faiss and SQLite block."""
        self._batcher = batcher
        self._executor = executor
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def search(self, questions: Sequence[str], generation: Generation, *, top_k: int) -> list[tuple[Hit, ...]]:
        """The `top_k` best hits of each question, best first. An empty question has none.

        Raises:
            Overloaded: the encoder's queue is full.
        """
        asked = list(dict.fromkeys(question for question in questions if question.strip()))
        vectors = dict(zip(asked, await self._encode(asked), strict=True))
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._executor, _search, generation, list(vectors.values()), top_k)
        hits = dict(zip(asked, found, strict=True))
        return [hits.get(question, ()) for question in questions]

    async def _encode(self, questions: Sequence[str]) -> list[NDArray[np.float32]]:
        new = [question for question in questions if question not in self._vectors]
        known = {question: self._vectors[question] for question in questions if question in self._vectors}
        if new:
            known |= dict(zip(new, await self._batcher.queries(new), strict=True))
        self._vectors |= known
        for question in questions:
            self._vectors.move_to_end(question)
        while len(self._vectors) > _REMEMBERED:
            self._vectors.popitem(last=False)
        return [known[question] for question in questions]


def _search(generation: Generation, vectors: Sequence[NDArray[np.float32]], top_k: int) -> list[tuple[Hit, ...]]:
    results = []
    for vector in vectors:
        scored = generation.search(vector, top_k)
        chunks = generation.chunks([seq for seq, _ in scored])
        results.append(
            tuple(
                Hit(chunk=chunk, score=score, rank=rank)
                for rank, (chunk, (_, score)) in enumerate(zip(chunks, scored, strict=True), start=1)
            )
        )
    return results
