"""A cross-encoder, which reads question and chunk together: better and slower than vectors."""

import threading
from collections.abc import Sequence

from rag.errors import ConfigError
from rag.types import Chunk

_BATCH = 16
_READ = 30  # hits of a question


class Reranker:
    """Puts the best hits in a better order. Any thread may call; one at a time computes."""

    def __init__(self, source: str, *, n_read: int = _READ, device: str | None = None) -> None:
        """Load a sentence-transformers CrossEncoder from a folder or a hub name.

        n_read: of each question's hits, how many are read. device: None: the fastest that is there.

        Raises:
            ConfigError: nothing that can be loaded is there, or it does not give one score to a pair.
        """
        from sentence_transformers import CrossEncoder  # loads torch, which takes seconds

        self.n_read = n_read
        self._lock = threading.Lock()
        try:
            self._model = CrossEncoder(source, device=device)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"The re-ranker {source!r} cannot be loaded: {str(error).splitlines()[0]}. "
                "Name a folder or a hub name of a CrossEncoder in retrieve.reranker, or leave it out."
            ) from None
        if self._model.num_labels != 1:
            raise ConfigError(
                f"The re-ranker {source!r} gives {self._model.num_labels} scores to a pair. Name one that gives one."
            )

    def rerank(self, question: str, scored: Sequence[tuple[Chunk, float]]) -> list[tuple[Chunk, float]]:
        """The chunks by the model's own score, 0 to 1, best first; equal ones in the order given. Blocks."""
        if not scored:
            return []
        pairs = [(question, f"{chunk.title}\n{chunk.text}") for chunk, _ in scored]
        with self._lock:
            scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        chunks = [chunk for chunk, _ in scored]
        return sorted(zip(chunks, map(float, scores), strict=True), key=lambda pair: -pair[1])
