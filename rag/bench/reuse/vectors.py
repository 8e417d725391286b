"""Vectors of texts, kept in files, so that a second run needs no embedding model."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rag.embed import Encoder
from rag.embed.base import Vectors
from rag.foreword import embedded_text, foreword
from rag.settings import EmbeddingSettings
from rag.types import Chunk, Hit

_BATCH = 512


class VectorFiles:
    """Vectors from `folder`, or made and put there. A file's name is a hash of the texts and of the model's name."""

    def __init__(self, folder: Path, settings: EmbeddingSettings, load: Callable[[], Encoder]) -> None:
        """load: makes the encoder; called only when something must be embedded."""
        self._folder = folder
        self._model = [settings.model, settings.dtype]
        self._load = load
        self._encoder: Encoder | None = None

    def documents(self, chunks: Sequence[Chunk]) -> Vectors:
        """A row for each chunk of a set, of its title and text as `rag ingest` embeds them."""
        return self._get("documents", [embedded_text(foreword_of(chunk), chunk.text) for chunk in chunks])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """A row for each text that searches."""
        return self._get("queries", texts)

    def _get(self, kind: str, texts: Sequence[str]) -> Vectors:
        digest = hashlib.sha256(json.dumps([*self._model, kind, *texts]).encode()).hexdigest()
        file = self._folder / f"{kind}-{digest[:16]}.npz"
        if file.is_file():
            with np.load(file) as stored:
                kept: Vectors = stored["vectors"]
                return kept
        if self._encoder is None:
            self._encoder = self._load()
        encode = self._encoder.encode_documents if kind == "documents" else self._encoder.encode_queries
        vectors = encode(texts)
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp.npz")
        np.savez(temporary, vectors=vectors)
        temporary.replace(file)
        return vectors


def foreword_of(chunk: Chunk) -> str:
    """What stands in front of a passage of a set where it is embedded. Those without a title have no heading."""
    return foreword(chunk.anchor.heading, chunk.text)


def nearest(queries: Vectors, documents: Vectors, chunks: Sequence[Chunk], *, top_k: int) -> list[tuple[Hit, ...]]:
    """The `top_k` chunks nearest to each query by exact cosine, best first; of equal ones the lower seq is first."""
    found: list[tuple[Hit, ...]] = []
    for start in range(0, len(queries), _BATCH):
        scores = queries[start : start + _BATCH] @ documents.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        found += [
            tuple(Hit(chunk=chunks[seq], score=float(row[seq]), rank=rank) for rank, seq in enumerate(best.tolist(), 1))
            for row, best in zip(scores, order, strict=True)
        ]
    return found
