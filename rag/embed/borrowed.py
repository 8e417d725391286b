"""The service's encoder for a thread that has much to embed, without anybody else waiting long."""

import asyncio
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import numpy as np

from rag.embed.base import Vectors
from rag.embed.batcher import Batcher
from rag.errors import Overloaded
from rag.types import EmbeddingInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_AT_ONCE = 16  # texts that a question has to wait for at most
_REST_S = 0.2  # where the queue is full


class BorrowedEncoder:
    """An `Encoder` over a batcher. Calls block and may not come from the event loop's thread."""

    def __init__(self, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        """loop: the one that the batcher works in."""
        self._batcher = batcher
        self._loop = loop
        self._is_closed = threading.Event()

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""
        return self._batcher.encoder.info

    @property
    def tokenizer(self) -> "Tokenizer":
        """The model's tokenizer without truncation or padding."""
        return self._batcher.encoder.tokenizer

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included."""
        return self._batcher.encoder.max_tokens

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to."""
        return self._batcher.encoder.shorter_dimensions

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""
        parts = [self._encode(texts[first : first + _AT_ONCE]) for first in range(0, len(texts), _AT_ONCE)]
        return np.concatenate([np.empty((0, self.info.dimensions), np.float32), *parts])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
        return asyncio.run_coroutine_threadsafe(self._batcher.queries(texts), self._loop).result()

    def close(self) -> None:
        """Nothing; a call under way ends soon with `CancelledError`."""
        self._is_closed.set()

    def _encode(self, texts: Sequence[str]) -> Vectors:
        while not self._is_closed.is_set():
            try:
                return asyncio.run_coroutine_threadsafe(self._batcher.documents(texts), self._loop).result()
            except Overloaded:  # requests come first
                self._is_closed.wait(_REST_S)
        raise CancelledError
