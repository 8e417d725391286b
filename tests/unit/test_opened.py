"""What readers have open: the old generation answers while a new one is opened, and unused collections are closed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.errors import CorpusError
from rag.store import CollectionInfo, Document, EmbeddingInfo, Generation, NewChunk, Store
from rag.store.layout import Folder
from rag.store.opened import OpenGenerations
from rag.types import Anchor

EMBEDDING = EmbeddingInfo(model="test", dimensions=4, dtype="float32")
VECTOR = np.eye(4, dtype=np.float32)[:1]


def publish(store: Store, text: str, name: str = "default") -> Folder:
    with store.draft(name, EMBEDDING) as draft:
        document = Document(root="/d", path="a.md", title=None, sha256=text, size=9, recipe="1", text=text)
        draft.put(document, [NewChunk(start=0, end=len(text), anchor=Anchor(line=1))], VECTOR)
        draft.publish()
    return Folder(store.data_dir / "collections" / store.collection(name).id)


class Gate:
    """Opens generations; from the second on each waits until it is let through, or fails."""

    def __init__(self) -> None:
        self.is_asked, self.may_go = threading.Event(), threading.Event()
        self.fails = False
        self.asked = list[int]()

    def open(self, folder: Folder, info: CollectionInfo) -> Generation:
        self.asked.append(info.generation)
        if info.generation > 1:
            self.is_asked.set()
            self.may_go.wait()
            if self.fails:
                raise CorpusError("It is damaged. Restore it.")
        return Generation(folder, info)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def opened(gate: Gate) -> Iterator[OpenGenerations]:
    """Every collection counts as a large one."""
    generations = OpenGenerations(100, at_once=0, open_=gate.open)
    yield generations
    gate.may_go.set()
    generations.close()


def text_of(opened: OpenGenerations, folder: Folder) -> str:
    """What a reader finds now."""
    pinned = opened.pin(folder)
    try:
        ((seq, _),) = pinned.generation.search(VECTOR[0], 1)
        return pinned.generation.chunks([seq])[0].text
    finally:
        opened.unpin(pinned)


def test_the_old_generation_answers_while_the_new_one_is_opened(
    store: Store, gate: Gate, opened: OpenGenerations
) -> None:
    folder = publish(store, "old")
    assert text_of(opened, folder) == "old"
    publish(store, "new")

    assert [text_of(opened, folder) for _ in range(3)] == ["old"] * 3
    gate.is_asked.wait()
    assert text_of(opened, folder) == "old"
    gate.may_go.set()
    opened.join()
    assert text_of(opened, folder) == "new"
    assert gate.asked == [1, 2]  # one thread opens it, however many ask


def test_a_large_generation_that_cannot_be_opened_leaves_the_old_one_and_is_tried_once(
    store: Store, gate: Gate, opened: OpenGenerations
) -> None:
    folder = publish(store, "old")
    assert text_of(opened, folder) == "old"
    publish(store, "new")
    gate.fails = True
    gate.may_go.set()
    for _ in range(3):
        assert text_of(opened, folder) == "old"
        opened.join()
    assert gate.asked == [1, 2]

    gate.fails = False
    publish(store, "newer")
    assert text_of(opened, folder) == "old"
    opened.join()
    assert text_of(opened, folder) == "newer"


def test_a_reader_that_has_the_old_one_keeps_it(store: Store, gate: Gate, opened: OpenGenerations) -> None:
    folder = publish(store, "old")
    pinned = opened.pin(folder)
    publish(store, "new")
    assert text_of(opened, folder) == "old"
    gate.may_go.set()
    opened.join()
    assert text_of(opened, folder) == "new"
    assert pinned.generation.chunks([0])[0].text == "old"
    opened.unpin(pinned)


def test_who_publishes_in_this_process_reads_it_at_once(store: Store, gate: Gate, opened: OpenGenerations) -> None:
    folder = publish(store, "old")
    opened.catch_up(folder)
    assert gate.asked == []  # nobody reads it here
    assert text_of(opened, folder) == "old"
    publish(store, "new")
    gate.may_go.set()
    opened.catch_up(folder)
    assert text_of(opened, folder) == "new"


def test_of_many_collections_those_used_last_stay_open(tmp_path: Path) -> None:
    store = Store(tmp_path / "data", most_open=5)
    names = [f"c{number}" for number in range(60)]
    folders = {name: publish(store, name, name) for name in names}
    with store.pin("c0") as kept:
        for name in [*names, "c58", "c0"]:
            with store.pin(name) as generation:
                assert generation.ordered_chunks()[0].text == name
        assert {name for name in names if store.is_open(folders[name].id)} == {"c56", "c57", "c59", "c58", "c0"}
        assert _n_mapped(tmp_path) <= 6
        assert kept.ordered_chunks()[0].text == "c0"  # a pinned one stays open, used or not
    assert _n_mapped(tmp_path) == 5
    assert _n_handles(tmp_path) <= 5 * 6
    store.close()


def _n_mapped(folder: Path) -> int:
    """Indexes that are mapped into this process."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len({line.split()[-1] for line in maps if str(folder) in line and line.endswith("vectors.faiss")})


def _n_handles(folder: Path) -> int:
    return sum(str(folder) in str(link.resolve()) for link in Path("/proc/self/fd").iterdir())
