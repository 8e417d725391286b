"""A file is read again unless it is certain that it has not changed."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import Summary, ingest
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Store

DAY_NS = 86_400 * 10**9


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.txt").write_text(f"text of {name}")
    time.sleep(0.01)
    return folder


@pytest.fixture
def run(store: Store, docs: Path) -> Callable[..., Summary]:
    def ingest_docs(*, check: bool = False, dry_run: bool = False) -> Summary:
        return ingest(
            [docs],
            collection="default",
            store=store,
            encoder=FakeEncoder(),
            settings=IngestSettings(),
            check=check,
            dry_run=dry_run,
        )

    return ingest_docs


def settle() -> None:
    """Nothing; what was written up to now is older than the tick of a file system."""
    time.sleep(2.1)


def seen(store: Store) -> Path:
    (file,) = store._collections.glob("vs_*/seen.json")
    return file


def test_what_is_settled_is_remembered_and_what_was_just_written_is_not(store: Store, docs: Path, run) -> None:
    run()
    assert not list(store._collections.glob("vs_*/seen.json"))
    settle()
    run()
    assert set(store.seen(store.collection("default").id)._entries[str(docs)]) == {"a.txt", "b.txt"}


def test_a_remembered_file_is_not_read_until_it_is_checked(store: Store, docs: Path, run) -> None:
    settle()
    run()
    # Another checksum in memory shows who trusts it.
    text = seen(store).read_text().replace(hashlib.sha256(b"text of a").hexdigest(), "0" * 64)
    seen(store).write_text(text)
    assert run(dry_run=True).changed == 1
    assert run(check=True, dry_run=True).changed == 0
    assert run(check=True).unchanged == 2


@pytest.mark.parametrize("shift_ns", [-DAY_NS, DAY_NS, 0])
def test_a_change_is_seen_whatever_the_clock_says(docs: Path, run, shift_ns: int) -> None:
    settle()
    run()
    status = (docs / "a.txt").stat()
    (docs / "a.txt").write_text("TEXT OF A")  # as long as before
    time_ns = status.st_mtime_ns + shift_ns  # 0: a tool that puts the time of change back
    os.utime(docs / "a.txt", ns=(time_ns, time_ns))
    assert run().changed == 1


def test_a_file_from_the_future_is_read_every_time(store: Store, docs: Path, run) -> None:
    future = time.time_ns() + DAY_NS
    os.utime(docs / "a.txt", ns=(future, future))
    settle()
    assert run().new == 2
    assert set(store.seen(store.collection("default").id)._entries[str(docs)]) == {"b.txt"}
    assert run().unchanged == 2


@pytest.mark.parametrize("damage", ["{", "[]", '{"x": 1}', '{"x": {"y": 1}}', ""])
def test_a_damaged_memory_costs_only_reading(store: Store, docs: Path, run, damage: str) -> None:
    settle()
    run()
    seen(store).write_text(damage)
    assert run().unchanged == 2
    assert run().unchanged == 2


def test_vanished_files_are_forgotten(store: Store, docs: Path, run) -> None:
    settle()
    run()
    (docs / "a.txt").unlink()
    run()
    assert set(store.seen(store.collection("default").id)._entries[str(docs)]) == {"b.txt"}
