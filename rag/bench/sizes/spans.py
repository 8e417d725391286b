"""As many vectors as wanted, of real text.

More vectors than a set has passages come from spans of them: runs of words of many lengths, from every place. Each is
embedded, so the vectors lie as those of a larger collection would; random ones do not, and mislead (docs/scale.md).
Where even spans are too few, two vectors of theirs are mixed.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embed import Encoder
from rag.embed.base import Vectors

Halves = NDArray[np.float16]

BATCH = 65_536  # rows held at a time
_WORDS = (150, 110, 80, 60, 52, 45, 39, 33, 28, 24, 20, 17, 14, 12, 10, 8)  # of a span, the longest first
_MIXED = 0.35  # weight of the second vector in a mixture: it stays the first one's neighbour


def spans(texts: Sequence[str]) -> Iterator[str]:
    """Different spans of the texts, each word count before the next smaller one.

    First those that begin an eighth of their length after each other, then those from every word.
    """
    seen: set[int] = set()
    split = [text.split() for text in texts]
    for n_words, step in [(n, max(1, n // 8)) for n in _WORDS] + [(n, 1) for n in _WORDS]:
        for words in split:
            for first in range(0, max(1, len(words) - n_words + 1), step):
                span = " ".join(words[first : first + n_words])
                if hash(span) not in seen:
                    seen.add(hash(span))
                    yield span


def embed_spans(texts: Sequence[str], n: int, encoder: Encoder, file: Path) -> int:
    """How many vectors `file` has: rows of 16-bit components, of the first `n` spans. Kept if it is there."""
    if not file.is_file():
        temporary = file.with_suffix(".tmp")
        with temporary.open("wb") as opened:
            left = islice(spans(texts), n)
            while batch := list(islice(left, BATCH)):
                opened.write(encoder.encode_documents(batch).astype(np.float16).tobytes())
        temporary.replace(file)
    return file.stat().st_size // (2 * encoder.info.dimensions)


def mix(file: Path, n: int, dimensions: int) -> None:
    """Nothing; `file` has `n` vectors, of which those beyond what it had are mixtures of two."""
    had = np.memmap(file, np.float16, "r").reshape(-1, dimensions)
    chance = np.random.default_rng(9)
    with file.open("ab") as opened:
        for first in range(len(had), n, BATCH):
            count = min(BATCH, n - first)
            ones, others = had[np.arange(first, first + count) % len(had)], had[chance.integers(0, len(had), count)]
            opened.write(unit(ones + np.float16(_MIXED) * others).astype(np.float16).tobytes())


def unit(rows: Halves) -> Vectors:
    """The rows in 32 bits, of length 1."""
    wide = rows.astype(np.float32)
    scaled: Vectors = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled
