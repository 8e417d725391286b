"""The shared prefixes of every collection: chosen once, frozen, and carried over from generation to generation."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog

from rag.errors import CorpusError
from rag.passages import Passages
from rag.plan import Limits, Passage, Prefix, PrefixSet, Topic, choose_topics, make_prefix, make_prefix_set
from rag.store import Generation, TopicFile
from rag.types import Chunk

log = structlog.get_logger()

_REMEMBERED = 64


class Prefixes:
    """Prefix sets by generation. Calls block; any thread may call."""

    def __init__(self, passages: Passages, data_dir: Path, limits: Limits, *, freezes: bool = True) -> None:
        """Freeze below `data_dir`, within `limits`. freezes: False only reads what a service has frozen."""
        self._passages = passages
        self._data_dir = data_dir
        self._limits = limits
        self._freezes = freezes
        self._sets: OrderedDict[tuple[str, int], PrefixSet] = OrderedDict()

    def of(self, generation: Generation) -> PrefixSet:
        """The prefixes of a generation. Made and frozen at its first use."""
        key = (generation.info.id, generation.number)
        if key not in self._sets:
            self._sets[key] = self._make(generation)
            while len(self._sets) > _REMEMBERED:
                self._sets.popitem(last=False)
        return self._sets[key]

    def prefix(self, chunks: Sequence[Chunk]) -> Prefix:
        """The prefix that shows these chunks in this order."""
        arrays = self._passages.tokens(chunks)
        passages = [
            Passage(chunk=chunk, n_tokens=self._passages.cost(arrays[chunk.seq], number=number))
            for number, chunk in enumerate(chunks, start=1)
        ]
        return make_prefix(_digest(repr([arrays[chunk.seq] for chunk in chunks])), passages)

    def _make(self, generation: Generation) -> PrefixSet:
        chunks = generation.ordered_chunks()
        file = TopicFile(self._data_dir, generation.info.id, self._passages.fingerprint)
        try:
            frozen = file.read()
        except CorpusError as error:
            log.warning("topics_made_again", reason=str(error))
            frozen = ()
        index = {chunk.id: number for number, chunk in enumerate(chunks)}
        still_there = (tuple(index[chunk_id] for chunk_id in topic if chunk_id in index) for topic in frozen)
        old = tuple(topic for topic in still_there if topic)
        n_gone = len({chunk_id for topic in frozen for chunk_id in topic} - index.keys())
        vectors = generation.vectors([chunk.seq for chunk in chunks])
        topics = choose_topics(old, n_gone, vectors, self._passages.sizes(chunks), self._limits)
        ids = tuple(tuple(chunks[number].id for number in topic) for topic in topics)
        if ids != frozen and self._freezes:
            file.write(ids)
        return self._set(topics, chunks, vectors)

    def _set(self, topics: Sequence[Topic], chunks: Sequence[Chunk], vectors: "np.ndarray") -> PrefixSet:
        prefixes = [self.prefix([chunks[number] for number in topic]) for topic in topics]
        means = [vectors[list(topic)].mean(axis=0) for topic in topics]
        return make_prefix_set(
            _digest("".join(prefix.version for prefix in prefixes)),
            prefixes,
            np.array(means, np.float32).reshape(len(topics), vectors.shape[1]),
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
