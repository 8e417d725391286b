"""Passages of a set as the service would cut them, and a search by words for those that fit a question."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.chunk import Chunker, anchors
from ingest.readers.markdown import MarkdownReader
from rag.cite.words import words_of
from rag.evaluate.questions import Passage
from rag.evaluate.upload import file_name
from rag.models import embedding_folder
from rag.types import Chunk, ChunkId

_CHUNK_TOKENS = 200  # the default of ingest.chunk_tokens
_STEM_CHARS = 5
_K1, _B = 1.2, 0.75  # the usual ones of BM25


class Shelf:
    """The chunks of a set. Their numbers are places in `chunks`, plus what the numbers start at."""

    def __init__(self, passages: Iterable[Passage], *, first_seq: int = 0) -> None:
        """Cut the passages as `rag eval --ingest` would have them cut."""
        chunker = Chunker(_tokenizer(), _CHUNK_TOKENS)
        self.chunks: list[Chunk] = []
        self.of_passage: dict[str, list[Chunk]] = {}
        for passage in passages:
            made = _cut(chunker, passage, first_seq + len(self.chunks))
            self.chunks += made
            self.of_passage[passage.id] = made
        self._first = first_seq
        self._index: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] | None = None

    def search(self, question: str) -> list[Chunk]:
        """The chunks that share words with the question, best first, by BM25."""
        if self._index is None:
            self._index = _index([chunk.text for chunk in self.chunks])
        scores = np.zeros(len(self.chunks), np.float32)
        for stem in stems(question):
            if stem in self._index:
                rows, weights = self._index[stem]
                scores[rows] += weights
        order = np.argsort(-scores, kind="stable")
        return [self.chunks[at] for at in order if scores[at] > 0]


def stems(text: str) -> frozenset[str]:
    """What a text talks about: beginnings of its words."""
    return frozenset(key[:_STEM_CHARS] for key in words_of(text).content)


def _index(texts: Sequence[str]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    counts = [_counts(text) for text in texts]
    lengths = np.array([sum(each.values()) for each in counts], np.float32)
    norms = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()), 1.0))
    rows: dict[str, list[tuple[int, int]]] = {}
    for row, each in enumerate(counts):
        for stem, count in each.items():
            rows.setdefault(stem, []).append((row, count))
    found = {}
    for stem, pairs in rows.items():
        at = np.array([row for row, _ in pairs], np.int64)
        counted = np.array([count for _, count in pairs], np.float32)
        idf = np.log(1 + (len(texts) - len(at) + 0.5) / (len(at) + 0.5))
        found[stem] = at, (idf * counted * (_K1 + 1) / (counted + norms[at])).astype(np.float32)
    return found


def _counts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for token in words_of(text).tokens:
        stem = token.key[:_STEM_CHARS]
        counts[stem] = counts.get(stem, 0) + 1
    return counts


def _cut(chunker: Chunker, passage: Passage, first_seq: int) -> list[Chunk]:
    text = f"# {passage.title}\n\n{passage.text}\n" if passage.title else f"{passage.text}\n"
    extracted = MarkdownReader().read(text.encode())
    spans = chunker.chunk(extracted)
    return [
        Chunk(
            id=ChunkId(f"{passage.id}:{span.start}"),
            seq=first_seq + at,
            document=file_name(passage.id),
            title=extracted.title or passage.id,
            anchor=anchor,
            start=span.start,
            end=span.end,
            text=extracted.text[span.start : span.end],
        )
        for at, (span, anchor) in enumerate(zip(spans, anchors(extracted, spans), strict=True))
    ]


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(embedding_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
