"""How many cores a process may compute on."""

import os
from collections.abc import Iterable
from pathlib import Path

_SYSTEM = Path("/sys")


def usable_cores(cpus: Iterable[int] | None = None, system: Path = _SYSTEM) -> int:
    """Physical cores that this process may run on, within what its container may use of them.

    Two threads of one core share its arithmetic, so that a second one only gets in the way.

    cpus: numbers of the logical ones; None: those of this process.
    """
    cpus = os.sched_getaffinity(0) if cpus is None else cpus
    cores = {_read(system / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in cpus}
    quota, _, period = _read(system / "fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        return max(1, min(len(cores), int(quota) // int(period)))
    return len(cores)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""
