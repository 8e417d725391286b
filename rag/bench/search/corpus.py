"""Passages as a collection on the disk, published as an ingest does it."""

import time
from collections.abc import Sequence
from pathlib import Path

from rag.bench.reuse.vectors import foreword_of
from rag.embed.base import Vectors
from rag.store import Document, NewChunk, Store
from rag.types import Anchor, Chunk, EmbeddingInfo

NAME = "bench"


def publish(chunks: Sequence[Chunk], vectors: Vectors, folder: Path, *, model: str) -> tuple[Store, float]:
    """A store below `folder` whose collection `NAME` has these chunks in order, and the seconds that took.

    vectors: a row for each chunk, of this model, with what stands in front of it.
    """
    began = time.perf_counter()
    store = Store(folder)
    embedding = EmbeddingInfo(model=model, dimensions=vectors.shape[1], dtype="float32")
    with store.draft(NAME, embedding) as draft:
        for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True)):
            document = Document(
                root="/bench",
                path=f"{number:07}/{chunk.title}",
                title=chunk.title,
                sha256=str(number),
                size=len(chunk.text),
                recipe="bench",
                text=chunk.text,
            )
            whole = NewChunk(start=0, end=len(chunk.text), anchor=Anchor(), foreword=foreword_of(chunk))
            draft.put(document, [whole], vector[None])
        draft.publish()
    return store, time.perf_counter() - began
