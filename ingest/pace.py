"""How fast a stage goes and when it will be done."""

import time
from collections.abc import Callable
from datetime import timedelta


class Pace:
    """Counts the steps of one stage.

    The rate is that of the whole stage: steps are done a few hundred at once, whenever a window of texts has been
    embedded, so that the last seconds say nothing.
    """

    def __init__(self, name: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """The stage begins now and has `total` steps."""
        self.name = name
        self.total = total
        self.done = 0
        self._clock = clock
        self._began = clock()

    @property
    def per_s(self) -> float:
        """Steps a second."""
        passed = self._clock() - self._began
        return self.done / passed if passed > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until it will be done; None: nothing is known of it."""
        if self.done >= self.total:
            return 0.0
        per_s = self.per_s
        return (self.total - self.done) / per_s if per_s else None


def brief(seconds: float | None) -> str:
    """A time as people read it, such as 0:01:30."""
    return "unknown" if seconds is None else str(timedelta(seconds=round(seconds)))
