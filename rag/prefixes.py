"""The shared prefixes of every collection: chosen once, frozen, and carried over from generation to generation."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import structlog

from rag.errors import CorpusError, RagError
from rag.passages import Passages
from rag.plan import Limits, Passage, Prefix, PrefixSet, Topic, Vectors, choose_topics, make_prefix, make_prefix_set
from rag.store import Generation, TopicFile
from rag.types import Chunk

log = structlog.get_logger()

_REMEMBERED = 64
_AT_ONCE = 5000  # chunks that are cut within a second
_NONE = make_prefix_set("", (), (), np.empty((0, 1), np.float32))


class Prefixes:
    """Prefix sets by generation. Calls block; any thread may call."""

    def __init__(
        self, passages: Passages, data_dir: Path, limits: Limits, *, freezes: bool = True, at_once: int = _AT_ONCE
    ) -> None:
        """Freeze below `data_dir`, within `limits`.

        freezes: False only reads what a service has frozen. at_once: chunks of the largest collection that a
        request waits for.
        """
        self._at_once = at_once
        self._passages = passages
        self._data_dir = data_dir
        self._limits = limits
        self._freezes = freezes
        self._making = threading.Lock()
        self._lock = threading.Lock()  # of all below
        self._sets: OrderedDict[tuple[str, int], PrefixSet] = OrderedDict()
        self._being_made: set[tuple[str, int]] = set()
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="topics")

    def of(self, generation: Generation) -> PrefixSet:
        """The prefixes of a generation. Made and frozen at its first use.

        A large collection takes a while to cut: until then, and for the requests of that while, it has none.
        """
        key = (generation.info.id, generation.number)
        made = self._sets.get(key)
        if made is None:
            if generation.info.chunks > self._at_once and self._freezes:
                self._make_later(key, generation)
                return _NONE
            with self._making:  # of requests that come at once, one makes them
                made = self._sets.get(key)
                if made is None:
                    made = self._make(generation)
                    self._keep(key, made)
        return made

    def forget(self, collection_id: str) -> None:
        """Nothing; the prefixes of a collection are made again: its frozen topics came from elsewhere."""
        with self._lock:
            for key in [key for key in self._sets if key[0] == collection_id]:
                del self._sets[key]

    def prepare(self, generation: Generation) -> None:
        """Nothing; the tokens of a generation are stored, so that no question waits for them."""
        self._passages.fill(generation)

    def share(self, shared: PrefixSet, number: int) -> float:
        """The share of all questions that ask for a prefix. Before anything is asked, one counts like the other."""
        with self._lock:
            newest = {key[0]: each for key, each in self._sets.items()}.values()
        n_all = sum(each.demand.n_questions + len(each.prefixes) for each in newest)
        return (shared.demand.n_asked(number) + 1) / max(n_all, 1)

    def close(self) -> None:
        """Wait for the set that is being made."""
        self._maker.shutdown(cancel_futures=True)

    def prefix(self, chunks: Sequence[Chunk]) -> Prefix:
        """The prefix that shows these chunks in this order."""
        arrays = self._passages.tokens(chunks)
        passages = [
            Passage(chunk=chunk, n_tokens=self._passages.renderer.cost(arrays[chunk.seq], number=number))
            for number, chunk in enumerate(chunks, start=1)
        ]
        return make_prefix(_digest(repr([arrays[chunk.seq] for chunk in chunks])), passages)

    def _make_later(self, key: tuple[str, int], generation: Generation) -> None:
        with self._lock:
            if key in self._being_made:
                return
            self._being_made.add(key)

        def make() -> None:
            try:
                # The request that asked does not wait for it, and lets go of its own when it ends.
                with closing(generation.reopened()) as own, self._making:
                    self._keep(key, self._make(own))
            except RagError as error:
                log.warning("topics_not_made", collection=generation.info.name, reason=str(error))
            finally:
                with self._lock:
                    self._being_made.discard(key)

        self._maker.submit(make)

    def _keep(self, key: tuple[str, int], made: PrefixSet) -> None:
        with self._lock:
            self._sets[key] = made
            while len(self._sets) > _REMEMBERED:
                self._sets.popitem(last=False)

    def _make(self, generation: Generation) -> PrefixSet:
        chunks = generation.ordered_chunks()
        return self._freeze(generation.info.id, chunks, generation.vectors([chunk.seq for chunk in chunks]))

    def _freeze(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> PrefixSet:
        file = TopicFile(self._data_dir, collection_id, self._passages.fingerprint)
        try:
            frozen = file.read()
        except CorpusError as error:
            log.warning("topics_made_again", reason=str(error))
            frozen = ()
        index = {chunk.id: number for number, chunk in enumerate(chunks)}
        still_there = (tuple(index[chunk_id] for chunk_id in topic if chunk_id in index) for topic in frozen)
        old = tuple(topic for topic in still_there if topic)
        n_gone = len({chunk_id for topic in frozen for chunk_id in topic} - index.keys())
        n_tokens = self._passages.sizes(chunks)
        if not (frozen or self._freezes) and sum(n_tokens) > self._limits.whole_tokens:
            return _NONE  # what a service will choose depends on its engine
        topics = choose_topics(old, n_gone, vectors, n_tokens, self._limits)
        ids = tuple(tuple(chunks[number].id for number in topic) for topic in topics)
        if ids != frozen and self._freezes:
            file.write(ids)
        return self._set(topics, chunks, vectors)

    def _set(self, topics: Sequence[Topic], chunks: Sequence[Chunk], vectors: Vectors) -> PrefixSet:
        prefixes = [self.prefix([chunks[number] for number in topic]) for topic in topics]
        version = _digest("".join(prefix.version for prefix in prefixes))
        return make_prefix_set(version, prefixes, topics, vectors)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
