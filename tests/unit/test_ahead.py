"""Texts are embedded in windows that depend on the texts alone, as many at once as the encoder allows."""

import threading
from collections.abc import Sequence
from concurrent.futures import wait

import pytest

from ingest.ahead import WINDOW, Ahead, windows
from rag.embed import FakeEncoder


class Gated(FakeEncoder):
    """Computes a window when it is let, and notes how many wait for that together."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self._at_once = at_once
        self.begun = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.is_closed = False

    @property
    def at_once(self) -> int:
        return self._at_once

    def encode_documents(self, texts: Sequence[str]):
        self.begun.release()
        assert self.gate.acquire(timeout=30)
        return super().encode_documents(texts)

    def close(self) -> None:
        self.is_closed = True
        for _ in range(9):
            self.gate.release()


@pytest.mark.parametrize(
    ("n_texts", "sizes"),
    [
        (0, []),
        (1, [1]),
        (WINDOW + WINDOW // 4, [WINDOW + WINDOW // 4]),
        (2 * WINDOW - 2, [WINDOW - 1, WINDOW - 1]),
        (WINDOW * 3 + 2, [WINDOW + 1, WINDOW + 1, WINDOW]),
    ],
)
def test_windows_are_of_about_one_size(n_texts: int, sizes: list[int]) -> None:
    texts = [str(number) for number in range(n_texts)]
    cut = list(windows(texts))
    assert [len(window) for window in cut] == sizes
    assert [text for window in cut for text in window] == texts


def test_windows_come_back_in_order_however_many_are_computed_at_once() -> None:
    encoder = Gated(at_once=2)
    with Ahead(encoder) as ahead:
        for name in ("a", "b"):
            ahead.ask([name])
            assert not ahead.is_full
            assert encoder.begun.acquire(timeout=30)
        ahead.ask(["c"])
        assert ahead.is_full
        assert not encoder.begun.acquire(blocking=False)  # the third waits for a thread
        assert ahead.has("c")
        for _ in range(3):
            encoder.gate.release()
        assert ahead.first
        wait([ahead.first])
        for name in ("a", "b", "c"):
            window, vectors = ahead.take()
            assert list(window) == [name]
            assert (vectors == FakeEncoder().encode_documents([name])).all()
        assert ahead.first is None
        assert not ahead.has("c")
        assert (ahead.n_asked, ahead.n_taken, ahead.n_texts) == (3, 3, 3)


def interrupted(encoder: Gated) -> None:
    with Ahead(encoder) as ahead:
        ahead.ask(["a"])
        ahead.ask(["b"])
        assert encoder.begun.acquire(timeout=30)
        raise KeyboardInterrupt


def test_an_interrupt_does_not_wait_for_what_is_computed() -> None:
    encoder = Gated(at_once=1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(encoder)
    assert encoder.is_closed
    assert encoder.n_encoded <= 1  # "b" was never begun
