"""The time that one request has taken, and has left."""

import time

from rag.telemetry import stage_span

_LONGEST_WAIT_S = 30.0  # for an engine that restarts


class Clock:
    """Starts when it is made. Laps are milliseconds since the lap before, marks since the start."""

    def __init__(self, timeout_s: float) -> None:
        """timeout_s: from now to the request's deadline."""
        self._start = self._last = time.perf_counter()
        self.timeout_s = timeout_s
        self.timings_ms: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Note the time since the last lap under a name."""
        now = time.perf_counter()
        stage_span(name, now - self._last)
        self.timings_ms[name] = (now - self._last) * 1000
        self._last = now

    def mark(self, name: str) -> None:
        """Note the time since the start under a name, unless it has one already."""
        self.timings_ms.setdefault(name, self.since_s() * 1000)

    def add(self, name: str, seconds: float) -> None:
        """Note a time that was taken beside the request's own."""
        self.timings_ms[name] = seconds * 1000

    def between_s(self, first: str, second: str) -> float:
        """Seconds between two marks. The first lap is one too."""
        return (self.timings_ms[second] - self.timings_ms[first]) / 1000

    def since_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def left_s(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self.timeout_s - self.since_s())

    def wait_s(self) -> float:
        """Seconds that the request waits for an engine to come up."""
        return min(self.left_s(), _LONGEST_WAIT_S)
