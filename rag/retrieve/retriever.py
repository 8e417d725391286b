"""Questions to hits: their vectors are made or remembered, then each is searched."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from rag.embed import Batcher
from rag.retrieve.context import in_context, mean_vector
from rag.retrieve.readable import readable_share
from rag.retrieve.rerank import Reranker
from rag.retrieve.search import Meant, Mode, find
from rag.store import Generation
from rag.types import Hit

# A conversation asks for the vectors of its earlier questions with every turn.
_REMEMBERED = 4096


class Retriever:
    """Finds hits. Remembers the vectors of recent questions, so a question's hits do not change within a process."""

    def __init__(
        self,
        batcher: Batcher,
        executor: Executor,
        *,
        mode: Mode = "hybrid",
        reranker: Reranker | None = None,
        min_score: float = 0.0,
    ) -> None:
        """Encode with `batcher`; search in `executor`, since faiss, SQLite and a re-ranker block.

        min_score: of a chunk that is found.
        """
        self._batcher = batcher
        self._executor = executor
        self._mode = mode
        self._reranker = reranker
        self._min_score = min_score
        self._tokenizer = batcher.encoder.tokenizer
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def search(
        self,
        questions: Sequence[str],
        generation: Generation,
        *,
        top_k: int,
        first: int = 0,
        allowed: frozenset[int] | None = None,
    ) -> list[tuple[Hit, ...]]:
        """The `top_k` best hits of each of a conversation's questions from number `first` on, best first.

        A follow-up is searched with what it follows (`in_context`). An empty question has no hits. allowed: numbers
        of the chunks that may be found; None: all.

        Raises:
            Overloaded: the encoder's queue is full.
        """
        asked = list(dict.fromkeys(question for question in questions if question.strip()))
        vectors = dict(zip(asked, await self._encode(asked), strict=True))

        def search() -> list[tuple[Hit, ...]]:
            found: list[tuple[Hit, ...]] = []
            for index in range(first, len(questions)):
                texts = in_context(questions[: index + 1])
                found.append(self._find(texts, vectors, generation, top_k, allowed) if texts else ())
            return found

        return await asyncio.get_running_loop().run_in_executor(self._executor, search)

    def _find(
        self,
        texts: tuple[tuple[str, float], ...],
        vectors: dict[str, NDArray[np.float32]],
        generation: Generation,
        top_k: int,
        allowed: frozenset[int] | None,
    ) -> tuple[Hit, ...]:
        readable = readable_share(texts[0][0], self._tokenizer)
        meant = Meant(texts=texts, vector=mean_vector(texts, vectors), readable=readable)
        found = find(meant, generation, mode=self._mode, top_k=top_k, allowed=allowed, reranker=self._reranker)
        return tuple(hit for hit in found if hit.score >= self._min_score) if self._min_score else found

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
