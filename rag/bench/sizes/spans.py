"""Vectors of real text, more of them than a set has passages: of spans of these.

A span is a run of words of a passage, of any of many lengths, from any place. Each is embedded, so the vectors lie as
those of a larger collection would; random ones do not, and mislead (docs/scale.md).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embed import Encoder

Halves = NDArray[np.float16]

BATCH = 65_536  # rows held at a time
_AT_ONCE = 4096  # spans embedded between two writes: on a CPU a minute's work
_WORDS = (150, 110, 80, 60, 52, 45, 39, 33, 28, 24, 20, 17, 14, 12, 10, 8)  # of a span that is not a whole passage
_SEED = 20261125


def spans(texts: Sequence[str]) -> Iterator[str]:
    """Every whole text and every span of it, each once, in an order of chance: any number of them is a fair sample."""
    split = [text.split() for text in dict.fromkeys(texts)]
    n_words = np.array([len(words) for words in split])
    counts = np.stack(
        [np.ones_like(n_words), *(np.where(n_words > length, n_words - length + 1, 0) for length in _WORDS)]
    )
    ends = np.cumsum(counts)  # by length, then by text
    for number in np.random.default_rng(_SEED).permutation(ends[-1] if len(ends) else 0):
        cell = int(np.searchsorted(ends, number, side="right"))
        length, text = divmod(cell, len(split))
        first = int(ends[cell] - number - 1)
        yield " ".join(split[text][first : first + _WORDS[length - 1]] if length else split[text])


def embed_spans(texts: Sequence[str], n: int, encoder: Encoder, file: Path) -> int:
    """How many of the `n` first spans are rows of `file`, in 16 bits. Those that are there are not embedded again.

    What an interrupted call has embedded, the next one finds.
    """
    row = 2 * encoder.info.dimensions
    n_there = file.stat().st_size // row if file.is_file() else 0
    with file.open("ab") as opened:
        opened.truncate(n_there * row)
        left = islice(spans(texts), n_there, n) if n > n_there else iter(())
        while batch := list(islice(left, _AT_ONCE)):
            opened.write(encoder.encode_documents(batch).astype(np.float16).tobytes())
            opened.flush()
            n_there += len(batch)
    return min(n_there, n)
