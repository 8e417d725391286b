"""The processes that this one starts from a moment on, and theirs."""

import time
from contextlib import suppress

import psutil

_END_S = 5.0


class Below:
    """What is started below this process after it was made."""

    def __init__(self) -> None:
        """What is there already is left alone."""
        self._before = set(psutil.Process().children())

    def found(self) -> list[psutil.Process]:
        """All that are there now."""
        children = [each for each in psutil.Process().children() if each not in self._before]
        return [*children, *(below for each in children for below in each.children(recursive=True))]


def end(processes: list[psutil.Process]) -> None:
    """Nothing; they have ended: by themselves if they did so soon, else they were killed."""
    until = time.monotonic() + _END_S
    while (left := [each for each in processes if _is_alive(each)]) and time.monotonic() < until:
        time.sleep(0.05)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _is_alive(process: psutil.Process) -> bool:
    try:  # one that has ended may stand there until its parent, or the first process of a container, asks for it
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
