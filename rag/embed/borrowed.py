"""The service's encoder for a thread that has much to embed, without anybody else waiting long."""

import asyncio
import threading
import time
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

_FEW, _MANY = 4, 64  # texts at once
_WAIT_S = 0.1  # that a question should have to wait for them; how many that is depends on the machine
_REST_S = 0.2  # where the queue is full


class BorrowedEncoder:
    """An `Encoder` over a batcher. Calls block and may not come from the event loop's thread."""

    def __init__(self, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        """loop: the one that the batcher works in."""
        self._batcher = batcher
        self._loop = loop
        self._is_closed = threading.Event()
        self._at_once = _FEW

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

    @property
    def at_once(self) -> int:
        """How many threads may call at a time."""
        return 1

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""
        parts, done = [np.empty((0, self.info.dimensions), np.float32)], 0
        while done < len(texts):
            some = texts[done : done + self._at_once]
            began = time.monotonic()
            parts.append(self._encode(some))
            self._adapt(time.monotonic() - began)
            done += len(some)
        return np.concatenate(parts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
        return asyncio.run_coroutine_threadsafe(self._batcher.queries(texts), self._loop).result()

    def close(self) -> None:
        """Nothing; a call under way ends soon with `CancelledError`."""
        self._is_closed.set()

    def _adapt(self, took_s: float) -> None:
        """Nothing; the next texts take nearer to the time that they should."""
        if took_s > _WAIT_S:
            self._at_once = max(self._at_once // 2, _FEW)
        elif took_s < _WAIT_S / 2:
            self._at_once = min(self._at_once * 2, _MANY)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        while not self._is_closed.is_set():
            try:
                return asyncio.run_coroutine_threadsafe(self._batcher.documents(texts), self._loop).result()
            except Overloaded:  # requests come first
                self._is_closed.wait(_REST_S)
        raise CancelledError
