"""How far an ingest is, how fast it goes and when it will be done. Where no terminal is: `ingest.lines`."""

from types import TracebackType
from typing import Protocol, Self

from ingest.pace import Pace, brief


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
    """One bar per stage on standard error, for a terminal. Use it in `with`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bars = RichProgress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None
        self._pace = Pace("", 0)

    def stage(self, name: str, total: int) -> None:
        """Nothing; a new bar stands below those of earlier stages."""
        self._bars.start()  # not before, so that an error at the start stands alone
        self._pace = Pace(name, total)
        self._task = self._bars.add_task(name, total=total, rate="", left="")

    def advance(self, steps: int = 1) -> None:
        """Nothing; the newest bar is longer."""
        if self._task is not None:
            self._pace.done += steps
            rate, left = f"{self._pace.per_s:,.1f}/s", f"left {brief(self._pace.left_s)}"
            self._bars.update(self._task, advance=steps, rate=rate, left=left)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._bars.stop()
