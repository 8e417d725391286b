"""How many cores an ingest computes on."""

from pathlib import Path

import pytest

from rag.embed.cores import usable_cores


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Four cores of two threads each, numbered as Linux does."""
    for cpu in range(8):
        folder = tmp_path / f"devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    (tmp_path / "fs/cgroup").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("cpus", "quota", "expected"),
    [
        (range(8), "max 100000", 4),  # two threads of one core are one
        ([0, 4, 1], "max 100000", 2),  # only those that the process may run on
        (range(8), "250000 100000", 2),  # a container's share, whole cores of it
        (range(8), "50000 100000", 1),
        (range(8), None, 4),
        ([8, 9], None, 2),  # nothing is known of them
    ],
)
def test_cores_are_counted(system: Path, cpus: list[int], quota: str | None, expected: int) -> None:
    if quota:
        (system / "fs/cgroup/cpu.max").write_text(quota + "\n")
    assert usable_cores(cpus, system) == expected


def test_this_machine_has_some() -> None:
    assert usable_cores() >= 1
