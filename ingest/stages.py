"""Where the time of an ingest goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["load", "plan", "read", "chunk", "wait", "store", "publish", "embed"]


class Stages:
    """Seconds by stage. One thread uses it.

    load: the model is loaded. plan: files are found and compared. read, wait: nothing could be done before the workers
    had read a file, the encoder had computed a window. chunk, store, publish: what they say. Together these are the
    run. embed: what the encoder computed meanwhile, on its own threads.
    """

    def __init__(self) -> None:
        """Nothing has taken any time."""
        self.seconds: dict[Stage, float] = {}

    def add(self, stage: Stage, seconds: float) -> None:
        """Nothing; the stage took so much longer."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """What is done inside is the stage's."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - began)
