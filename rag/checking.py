"""What the checking of citations asks of the collection and of the embedding model."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from rag.cite.surroundings import Around, Surroundings
from rag.embed.base import Vectors
from rag.store import Generation
from rag.types import Chunk


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
        """A row for each text; only those that are not kept are encoded."""
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= dict(zip(new, self._encode(new), strict=True))
        with self._lock:
            for text in texts:
                self._kept[text] = known[text]
                self._kept.move_to_end(text)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return np.stack([known[text] for text in texts])
