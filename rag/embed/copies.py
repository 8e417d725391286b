"""Copies of one model, each on a device of its own."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Copies(Generic[T]):
    """Lends a copy to one thread at a time. Each but the first is made when it is first missing.

    So a service that computes in one thread takes memory of one device, and an ingest takes all of them.
    """

    def __init__(self, make: Callable[[str], T], devices: Sequence[str], first: T) -> None:
        """make: a copy on the device that it is given; any thread calls it. first: that of the first device."""
        self.n_most = len(devices)
        self._make = make
        self._idle: LifoQueue[T] = LifoQueue()
        self._idle.put(first)
        self._devices = deque(devices[1:])

    @contextmanager
    def one(self) -> Iterator[T]:
        """A copy that nobody else has meanwhile. Waits for it if all are lent."""
        copy = self._take()
        try:
            yield copy
        finally:
            self._idle.put(copy)

    def _take(self) -> T:
        try:
            return self._idle.get_nowait()
        except Empty:
            pass
        try:
            device = self._devices.popleft()
        except IndexError:
            return self._idle.get()
        return self._make(device)
