"""How far an ingest is, how fast it goes and when it will be done."""

import json
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

_LINE_S = 1.0  # between two lines of one stage


class Progress(Protocol):
    """Told of each stage and its steps, in order."""

    def stage(self, name: str, total: int) -> None:
        """Nothing; the stage before has ended and `name` has begun, with `total` steps."""

    def advance(self, steps: int = 1) -> None:
        """Nothing; so many steps more are done."""


class Silent:
    """Shows nothing."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, steps: int = 1) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Bars:
    """One bar per stage on standard error; lines instead of bars where that is no terminal. Use it in `with`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TaskID,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bars = RichProgress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def stage(self, name: str, total: int) -> None:
        """Nothing; a new bar stands below those of earlier stages."""
        self._bars.start()  # not before, so that an error at the start stands alone
        self._task = self._bars.add_task(name, total=total, rate="")

    def advance(self, steps: int = 1) -> None:
        """Nothing; the newest bar is longer."""
        if self._task is not None:
            self._bars.advance(self._task, steps)
            task = self._bars.tasks[self._bars.task_ids.index(self._task)]
            if rate := task.finished_speed or task.speed:
                self._bars.update(self._task, rate=f"{rate:,.1f}/s")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._bars.stop()


class JsonLines:
    """One JSON line at the start and the end of each stage and at most one a second between them.

    {"stage": "ingest", "done": 120, "total": 5000, "per_s": 41.3, "left_s": 118.2}
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """out: where they are written; None: standard error."""
        self._out = out or sys.stderr
        self._clock = clock
        self._name = ""
        self._total = self._done = 0
        self._began = self._written = 0.0

    def stage(self, name: str, total: int) -> None:
        """Nothing; a line says that it has begun."""
        self._name, self._total, self._done = name, total, 0
        self._began = self._clock()
        self._write()

    def advance(self, steps: int = 1) -> None:
        """Nothing; a line says it, if it is time for one."""
        self._done += steps
        if self._done >= self._total or self._clock() - self._written >= _LINE_S:
            self._write()

    def _write(self) -> None:
        self._written = self._clock()
        passed = self._written - self._began
        per_s = self._done / passed if passed else 0.0
        left_s = (self._total - self._done) / per_s if per_s else None
        line = {
            "stage": self._name,
            "done": self._done,
            "total": self._total,
            "per_s": round(per_s, 1),
            "left_s": None if left_s is None else round(left_s, 1),
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return
