"""Progress as lines on a stream: JSON for programs, text for people without a terminal."""

import json
import sys
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self, TextIO

from ingest.pace import Pace, brief

_SECOND = 1.0
_NOW_AND_THEN_S = 10.0


class Lines:
    """A line now and then, even while nothing gets done. Use it in `with`."""

    def __init__(
        self,
        line: Callable[[Pace], str],
        *,
        every_s: float,
        is_brief: bool,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """line: what is written of a stage. every_s: between two lines.

        is_brief: there is none at the start of a stage, and at its end only if there was one before. out: where they
        are written; None: standard error.
        """
        self._line = line
        self._every_s = every_s
        self._is_brief = is_brief
        self._out = out or sys.stderr
        self._clock = clock
        self._pace: Pace | None = None
        self._written = clock()
        self._has_line = False  # this stage
        self._lock = Lock()
        self._ended = Event()
        self._ticking = Thread(target=self._tick, name="progress", daemon=True)

    def stage(self, name: str, total: int) -> None:
        """Nothing; a line says that it has begun."""
        with self._lock:
            self._pace = Pace(name, total, self._clock)
            self._has_line = False
            if not self._is_brief:
                self._write(self._pace)

    def advance(self, steps: int = 1) -> None:
        """Nothing; a line says it, if it is time for one."""
        with self._lock:
            if self._pace:
                self._pace.done += steps
                self._write_if_due(self._pace)

    def _write_if_due(self, pace: Pace) -> None:
        is_last = pace.done >= pace.total and (self._has_line or not self._is_brief)
        if is_last or self._clock() - self._written >= self._every_s:
            self._write(pace)

    def _write(self, pace: Pace) -> None:
        self._written = self._clock()
        self._has_line = True
        self._out.write(self._line(pace) + "\n")
        self._out.flush()

    def _tick(self) -> None:
        while not self._ended.wait(self._every_s / 4):
            with self._lock:
                if self._pace and self._pace.done < self._pace.total:
                    self._write_if_due(self._pace)

    def __enter__(self) -> Self:
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._ticking.join()


def json_lines(out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> Lines:
    """One JSON line at the start and the end of each stage, and one a second between them.

    {"stage": "ingest", "done": 120, "total": 5000, "per_s": 41.3, "left_s": 118.2}
    """
    return Lines(_as_json, every_s=_SECOND, is_brief=False, out=out, clock=clock)


def text_lines(out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> Lines:
    """A line every ten seconds; none if all is done before.

    ingest: 120 of 5,000 files, 41.3/s, left 0:01:58
    """
    return Lines(_as_text, every_s=_NOW_AND_THEN_S, is_brief=True, out=out, clock=clock)


def _as_json(pace: Pace) -> str:
    left_s = pace.left_s
    line = {
        "stage": pace.name,
        "done": pace.done,
        "total": pace.total,
        "per_s": round(pace.per_s, 1),
        "left_s": None if left_s is None else round(left_s, 1),
    }
    return json.dumps(line)


def _as_text(pace: Pace) -> str:
    return f"{pace.name}: {pace.done:,} of {pace.total:,} files, {pace.per_s:,.1f}/s, left {brief(pace.left_s)}"
