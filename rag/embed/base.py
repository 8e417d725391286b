"""What every encoder does. `tests/contract/test_encoder.py` holds each implementation to it."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.types import EmbeddingInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]  # shape (n, dimensions), rows of length 1


class Encoder(Protocol):
    """Turns text into unit vectors. Calls block; so many threads at a time may call as `at_once` says."""

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""

    @property
    def tokenizer(self) -> "Tokenizer":
        """The model's tokenizer without truncation or padding, for sizes of chunks and batches."""

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included; the rest is cut off."""

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to: those that the model was trained for (Matryoshka)."""

    @property
    def at_once(self) -> int:
        """How many threads may call at a time: one for each device that it has."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given.

        Texts that are given together may be computed together, which of them is told by the texts alone. So the same
        call gives the same vectors, bit for bit, on machines of one kind with as many threads.

        Raises:
            CancelledError: it was closed meanwhile.
        """

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""

    def close(self) -> None:
        """Nothing; a call under way ends soon with `concurrent.futures.CancelledError`, as do all that follow."""


def cut(vectors: Vectors, dimensions: int) -> Vectors:
    """The first `dimensions` of each row, with length 1 again."""
    short = vectors[:, :dimensions]
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    unit: Vectors = (short / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit
