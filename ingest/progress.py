"""How far an ingest is."""

from types import TracebackType
from typing import Protocol, Self


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


class Bars:
    """One bar per stage on standard error; lines instead of bars where that is no terminal. Use it in `with`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = RichProgress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def stage(self, name: str, total: int) -> None:
        """Nothing; a new bar stands below those of earlier stages."""
        self._task = self._bars.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """Nothing; the newest bar is longer."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
