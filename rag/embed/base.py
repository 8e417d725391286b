"""What every encoder does. `tests/contract/test_encoder.py` holds each implementation to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.types import EmbeddingInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]  # shape (n, dimensions), rows of length 1


class Encoder(Protocol):
    """Turns text into unit vectors. Calls block; one thread at a time may call."""

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""

    @property
    def tokenizer(self) -> "Tokenizer":
        """The model's tokenizer without truncation or padding, for sizes of chunks and batches."""

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included; the rest is cut off."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
