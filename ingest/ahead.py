"""Texts embedded on threads of their own, windows of them in order, while others are read, cut and stored."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not
    from rag.embed.base import Vectors

# Enough for batches of like length (of 2,048 tokens that are computed, 95 in 100 are text with passages of 17 to 256
# tokens, 91 in 100 from half the window), few enough to lose seconds by a kill.
WINDOW = 512


def windows(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, about `WINDOW` at a time, so that no window is much smaller than another."""
    if not texts:
        return
    size = -(-len(texts) // max(1, round(len(texts) / WINDOW)))
    for first in range(0, len(texts), size):
        yield texts[first : first + size]


class Ahead:
    """An encoder that is asked for windows of texts and gives them back in that order. One thread uses it.

    As many are computed at once as the encoder allows, and one more than that waits for it.
    """

    def __init__(self, encoder: "Encoder") -> None:
        """It starts with the first window; leaving the block ends it soon, whatever was asked."""
        self.n_asked = self.n_taken = 0  # windows
        self.n_texts = 0
        self.seconds = 0.0  # that the encoder has computed
        self._encoder = encoder
        self._executor: ThreadPoolExecutor | None = None
        self._windows: deque[tuple[Sequence[str], Future[tuple[Vectors, float]]]] = deque()
        self._texts: set[str] = set()

    def start(self) -> None:
        """Nothing; the model is loaded, if it was not."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._encoder.at_once, thread_name_prefix="embed")

    def has(self, text: str) -> bool:
        """Whether the text was asked for and not yet taken."""
        return text in self._texts

    @property
    def is_full(self) -> bool:
        """Whether it has enough to do."""
        return len(self._windows) > self._encoder.at_once

    @property
    def first(self) -> "Future[tuple[Vectors, float]] | None":
        """Done as soon as the window is that is given back next; None: there is none."""
        return self._windows[0][1] if self._windows else None

    def ask(self, window: Sequence[str]) -> None:
        """Nothing; these texts, none of which it has, are embedded."""
        self.start()
        assert self._executor  # noqa: S101 - started
        self._windows.append((window, self._executor.submit(self._embed, window)))
        self._texts.update(window)
        self.n_asked += 1
        self.n_texts += len(window)

    def take(self) -> "tuple[Sequence[str], Vectors]":
        """The texts and vectors of the next window. Waits for it."""
        window, future = self._windows[0]
        vectors, seconds = future.result()
        self._windows.popleft()
        self._texts.difference_update(window)
        self.n_taken += 1
        self.seconds += seconds
        return window, vectors

    def _embed(self, window: Sequence[str]) -> "tuple[Vectors, float]":
        began = time.perf_counter()
        return self._encoder.encode_documents(window), time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is None:
            return
        if kind and not issubclass(kind, Exception):  # interrupted: nobody waits for a window
            self._encoder.close()
        self._executor.shutdown(cancel_futures=True)
