"""What the checking of citations asks of the collection and of the embedding model."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError

import numpy as np

from rag.cite import Judge
from rag.cite.surroundings import Around, Surroundings
from rag.embed import Batcher
from rag.embed.base import Vectors
from rag.errors import Overloaded
from rag.store import Generation
from rag.types import Chunk, Shown

# The cosine that `rag.cite.align.limits` asks of what is said in other words was measured for these alone.
_CALIBRATED = frozenset({"all-MiniLM-L6-v2"})
_PATIENCE_S = 0.5  # that a citation may wait for the encoder; then it is judged by its words


class Checking:
    """Makes judges. They read neighbours of passages, and may ask the encoder what is said in other words."""

    def __init__(self, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        """loop: the one that the batcher works in; judges work in other threads."""
        self._batcher = batcher
        self._loop = loop
        self._embed = KeptVectors(self._encode) if batcher.encoder.info.model in _CALIBRATED else None

    def judge(self, shown: Sequence[Shown], generation: Generation | None) -> Judge:
        """A judge of statements on these passages of `generation`, to be used while that is pinned."""
        if generation is None:
            return Judge(shown)
        return Judge(shown, around=around(generation), embed=self._embed)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """A row for each text.

        Raises:
            Overloaded: others keep the encoder busy, or the service stops.
        """
        encoding = asyncio.run_coroutine_threadsafe(self._batcher.documents(texts), self._loop)
        try:
            return encoding.result(_PATIENCE_S)
        except (TimeoutError, CancelledError):
            encoding.cancel()
            raise Overloaded("The encoder has no time for citations. They are judged by their words.") from None


def around(generation: Generation) -> Around:
    """A function that gives a chunk of `generation` with its neighbours. Blocks."""

    def read(chunk: Chunk) -> Surroundings:
        chunks = tuple(sorted((chunk, *generation.neighbours(chunk)), key=lambda each: each.start))
        start, end = chunks[0].start, max(each.end for each in chunks)
        return Surroundings(text=generation.document_text(chunk)[start:end], start=start, chunks=chunks)

    return read


class KeptVectors:
    """Vectors of the sentences that were asked for last. May be called from any thread."""

    def __init__(self, encode: Callable[[Sequence[str]], Vectors], *, capacity: int = 4096) -> None:
        """encode: rows of length 1, in the order given. capacity: texts; of 384 dimensions 4096 are 6 MiB."""
        self._encode = encode
        self._capacity = capacity
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """A row for each text; only those that are not kept are encoded. Zeros, like nothing, if that cannot be."""
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            try:
                known |= dict(zip(new, self._encode(new), strict=True))
            except Overloaded:
                return np.zeros((len(texts), 1), np.float32)
        with self._lock:
            for text in texts:
                self._kept[text] = known[text]
                self._kept.move_to_end(text)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return np.stack([known[text] for text in texts])
