"""What a draft has embedded outlives it, and what older versions published is read and carried on."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.store import Document, Draft, EmbeddingInfo, NewChunk, Rules, Store
from rag.store.spool import Spool
from rag.types import Anchor

EMBEDDING = EmbeddingInfo(model="test", dimensions=4, dtype="float32")
OTHER = EmbeddingInfo(model="other", dimensions=4, dtype="float32")
ROWS = np.eye(4, dtype=np.float32)
# What later versions added to the catalog of version 1.
DOWNGRADE = """
DROP INDEX document_file;
ALTER TABLE document DROP COLUMN file;
ALTER TABLE chunk DROP COLUMN slide;
ALTER TABLE chunk DROP COLUMN sheet;
ALTER TABLE chunk DROP COLUMN cells;
ALTER TABLE chunk DROP COLUMN foreword;
DROP INDEX chunk_key;
ALTER TABLE chunk DROP COLUMN key;
ALTER TABLE document DROP COLUMN attributes;
ALTER TABLE document DROP COLUMN beside;
PRAGMA user_version = 1;
"""


def put(draft: Draft, path: str, text: str, vector: np.ndarray, **more: object) -> None:
    document = Document(root="/r", path=path, title=None, sha256=path, size=1, recipe="1", text=text, **more)
    draft.put(document, [NewChunk(start=0, end=len(text), anchor=Anchor())], vector.reshape(1, 4))


def folder_of(store: Store) -> Path:
    (folder,) = store._collections.glob("vs_*")
    return folder


def vectors(store: Store) -> dict[str, list[float]]:
    with store.pin("default") as generation:
        chunks = generation.ordered_chunks()
        rows = generation.vectors([chunk.seq for chunk in chunks]).tolist()
        return {chunk.text: row for chunk, row in zip(chunks, rows, strict=True)}


def test_what_a_draft_embedded_is_known_to_the_next_one_and_gone_when_it_is_published(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        draft.keep(["a", "b"], ROWS[:2])
        put(draft, "c.md", "c", ROWS[2])
    assert store.collections() == ()
    with store.draft("default", EMBEDDING) as draft:
        found = draft.vectors(["a", "b", "c", "d"])
        assert {text: row.tolist() for text, row in found.items()} == dict(zip("abc", ROWS[:3].tolist(), strict=True))
        put(draft, "a.md", "a", found["a"])
        draft.publish()
    assert vectors(store) == {"a": ROWS[0].tolist()}
    assert not list(folder_of(store).glob("spool-*"))


def test_vectors_of_another_model_are_not_taken_for_ours(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        draft.keep(["a"], ROWS[:1])
    with store.draft("default", OTHER) as draft:
        assert draft.vectors(["a"]) == {}


@pytest.mark.parametrize("damage", ["cut", "flipped", "zeros"])
def test_vectors_that_a_crash_left_in_part_are_not_taken(tmp_path: Path, damage: str) -> None:
    Spool(tmp_path, EMBEDDING).add([b"a" * 16, b"b" * 16], ROWS[:2])
    (file,) = tmp_path.glob("spool-*")
    data = file.read_bytes()
    size = len(data) // 2
    broken = {"cut": data[:-1], "flipped": data[:-9] + b"?" + data[-8:], "zeros": data[:size] + bytes(size)}[damage]
    file.write_bytes(broken)
    spool = Spool(tmp_path, EMBEDDING)
    assert (spool.row(b"a" * 16), spool.row(b"b" * 16)) == (0, None)
    assert spool.add([b"c" * 16], ROWS[2:3]) == range(1, 2)
    again = Spool(tmp_path, EMBEDDING)
    assert [again.row(letter * 16) for letter in (b"a", b"b", b"c")] == [0, None, 1]
    assert again.vectors([1, 0]).tolist() == [ROWS[2].tolist(), ROWS[0].tolist()]


def test_a_text_that_is_given_another_vector_has_that_one(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "text", ROWS[0])
        draft.publish()
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "text", ROWS[1])
        put(draft, "b.md", "more", ROWS[2])
        draft.publish()
    assert vectors(store) == {"text": ROWS[1].tolist(), "more": ROWS[2].tolist()}


def test_nothing_is_written_before_the_first_change(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "text", ROWS[0])
        draft.publish()
    before = {path: path.stat().st_mtime_ns for path in folder_of(store).rglob("*") if path.name != "lock"}
    with store.draft("default", EMBEDDING) as draft:
        assert list(draft.known("/r")) == ["a.md"]
        assert list(draft.vectors(["text"])) == ["text"]
        assert draft.publish() == 1
    assert {path: path.stat().st_mtime_ns for path in folder_of(store).rglob("*") if path.name != "lock"} == before


def test_attributes_are_kept_with_the_document(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "text", ROWS[0], attributes={"year": 2026, "by": "Ü", "draft": False}, beside="abc")
        draft.publish()
    with store.pin("default") as generation:
        (listed,) = generation.files().values()
        assert listed.attributes == {"year": 2026, "by": "Ü", "draft": False}
        assert generation.known("/r")["a.md"].beside == "abc"


def test_a_catalog_of_an_older_version_is_read_and_carried_on(store: Store, tmp_path: Path) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "old", ROWS[0])
        draft.publish()
    generation = folder_of(store) / "generations" / "1"
    connection = sqlite3.connect(generation / "catalog.db")
    connection.executescript(DOWNGRADE)
    connection.execute("VACUUM")
    connection.close()
    _sign(generation)
    older = Store(tmp_path / "data")
    assert vectors(older) == {"old": ROWS[0].tolist()}
    with older.pin("default") as pinned:
        (listed,) = pinned.files().values()
        assert (listed.path, listed.attributes) == ("a.md", {})
        assert pinned.chunk(pinned.ordered_chunks()[0].id) == pinned.ordered_chunks()[0]
    with older.draft("default", EMBEDDING) as draft:
        assert list(draft.vectors(["old"])) == ["old"]
        assert draft.publish() == 1
    with older.draft("default", EMBEDDING) as draft:
        put(draft, "b.md", "new", ROWS[1])
        assert draft.publish() == 2
    assert vectors(older) == {"old": ROWS[0].tolist(), "new": ROWS[1].tolist()}
    assert sorted(path.name for path in (folder_of(store) / "generations" / "2").iterdir()) == [
        "catalog.db",
        "generation.json",
        "vectors.faiss",
        "words.db",
    ]
    older.close()


def _sign(generation: Path) -> None:
    from rag.store.info import write_manifest

    write_manifest(
        generation,
        files=("catalog.db", "vectors.faiss"),
        number=1,
        documents=1,
        chunks=1,
        prefix_version="0" * 16,
        embedding=EMBEDDING,
    )


def test_rules_are_kept_with_the_collection_and_through_a_new_name(store: Store) -> None:
    rules = Rules(chunk_tokens=300, include=("*.md",), exclude=("drafts/",))
    assert store.rules("default") == Rules()
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "text", ROWS[0])
        draft.set_rules(rules)
        draft.publish()
    store.rename("default", "other")
    assert store.rules("other") == rules


READER = """
import sys
from pathlib import Path
from rag.store import Store

store = Store(Path(sys.argv[1]))
with store.pin("default") as generation:
    print("pinned", flush=True)
    sys.stdin.readline()
    (chunk,) = generation.ordered_chunks()
    print(chunk.text, generation.vectors([chunk.seq]).tolist()[0], flush=True)
with store.pin("default") as generation:
    print(generation.number, [line for line in Path("/proc/self/maps").read_text().split("\\n") if "(deleted)" in line])
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the kernel does not say what a process maps")
def test_another_process_reads_on_what_is_collected_and_lets_go_of_it(store: Store, tmp_path: Path) -> None:
    def publish(text: str, row: int) -> None:
        with store.draft("default", EMBEDDING) as draft:
            put(draft, "a.md", text, ROWS[row])
            draft.publish()

    publish("first", 0)
    command = [sys.executable, "-c", READER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdin
        assert reader.stdout.readline() == "pinned\n"
        for number, text in enumerate(("second", "third", "fourth")):
            publish(text, number)
        assert sorted(path.name for path in (folder_of(store) / "generations").iterdir()) == ["3", "4"]
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == f"first {ROWS[0].tolist()}\n"
        assert reader.stdout.readline() == "4 []\n"
