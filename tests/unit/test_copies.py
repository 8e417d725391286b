"""A collection is checked in full, and comes back from one file as it was, or not at all."""

import hashlib
import io
import json
import re
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ConfigError, CorpusError, NotFound
from rag.store import (
    Copies,
    Cut,
    Document,
    Draft,
    EmbeddingInfo,
    FileStatus,
    NewAttachment,
    NewChunk,
    Rules,
    Shelf,
    Store,
)
from rag.store.info import write_manifest
from rag.types import Anchor, FileId

EMBEDDING = EmbeddingInfo(model="test", dimensions=4, dtype="float32")
RULES = Rules(include=("*.md",))


def put(draft: Draft, root: str, path: str, text: str) -> None:
    document = Document(
        root=root, path=path, title=None, sha256="0", size=1, recipe="1", text=text, attributes={"k": "v"}
    )
    vectors = np.zeros((2, 4), np.float32)
    vectors[:, len(text) % 4] = 1
    middle = len(text) // 2
    spans = [NewChunk(start=0, end=middle, anchor=Anchor()), NewChunk(start=middle, end=len(text), anchor=Anchor())]
    draft.put(document, spans, vectors)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A collection with two documents, one of which was uploaded."""
    place = tmp_path / "data"
    store, shelf = Store(place), Shelf(place)
    file_id = upload(shelf, "notes.md", b"uploaded words")
    with store.draft("default", EMBEDDING, "red") as draft:
        put(draft, "/r", "a.md", "the text of a")
        put(draft, file_id, "notes.md", "uploaded words")
        draft.set_rules(RULES)
        draft.publish()
    info = store.collection("default")
    shelf.attachments.attach(
        info.id, [NewAttachment(file_id=file_id, attributes={"year": 2026}, cut=Cut(chunk_tokens=200))], now=5
    )
    shelf.attachments.finish(info.id, {file_id: None})
    shelf.facts.set(info.id, now=5, description="words", metadata={"a": "b"})
    store.close()
    shelf.close()
    return place


def upload(shelf: Shelf, name: str, data: bytes) -> FileId:
    with shelf.files.incoming(name) as incoming:
        incoming.write(data)
        return shelf.files.add(incoming, group="red", purpose="assistants", now=5, expires_at=None).id


def everything(data_dir: Path) -> dict[str, object]:
    """All that can be asked of the one collection, but for its id and name."""
    store, shelf = Store(data_dir), Shelf(data_dir)
    try:
        (info,) = store.collections()
        with store.pin(info.id) as generation:
            chunks = generation.ordered_chunks()
            found: dict[str, object] = {
                "chunks": chunks,
                "vectors": generation.vectors([chunk.seq for chunk in chunks]).tolist(),
                "files": dict(generation.files()),
                "texts": [generation.document_text(chunk) for chunk in chunks],
            }
        uploads = {stored.id: shelf.files.path(stored).read_bytes() for stored in shelf.files.files()}
        attached = [(each.file_id, each.status, each.attributes, each.cut) for each in
                    shelf.attachments.of_store(info.id)]  # fmt: skip
        kept = (info.group, info.created, info.generation, store.rules(info.id), shelf.facts.get(info.id))
        return found | {"uploads": uploads, "attached": attached, "kept": kept}
    finally:
        store.close()
        shelf.close()


def generation_of(data_dir: Path) -> Path:
    (folder,) = (data_dir / "collections").glob("vs_*/generations/1")
    return folder


def test_a_backup_brings_back_everything_under_the_same_id(data_dir: Path, tmp_path: Path) -> None:
    info = Copies(data_dir).backup("default", tmp_path / "default.tar")
    restored = Copies(tmp_path / "other").restore(tmp_path / "default.tar")
    assert (restored.id, restored.name, restored.generation) == (info.id, "default", 1)
    assert everything(tmp_path / "other") == everything(data_dir)
    assert Copies(tmp_path / "other").verify("default") == []
    assert sorted(path.name for path in (tmp_path / "other" / "collections").glob("*")) == [".lock", info.id]
    with Store(tmp_path / "other").draft("default", EMBEDDING) as draft:
        put(draft, "/r", "b.md", "more text")
        assert draft.publish() == 2


def test_a_deleted_collection_comes_back_and_a_living_one_is_not_replaced(data_dir: Path, tmp_path: Path) -> None:
    copies, file = Copies(data_dir), tmp_path / "default.tar"
    before = everything(data_dir)
    copies.backup("default", file)
    with pytest.raises(ConfigError, match=r"collection 'default' already.*--as"):
        copies.restore(file)
    copy = copies.restore(file, name="copy")
    assert copy.id != Store(data_dir).collection("default").id
    for name in ("copy", "default"):
        assert copies.verify(name) == []
        Store(data_dir).delete(name)
    assert copies.restore(file).name == "default"
    assert everything(data_dir) == before
    with pytest.raises(ConfigError, match="cannot be named"):
        copies.restore(file, name="vs_x")


def test_a_file_is_replaced_only_by_force_and_never_by_half_of_one(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "default.tar"
    file.write_text("precious")
    with pytest.raises(ConfigError, match=r"exists.*--force"):
        Copies(data_dir).backup("default", file)
    (data_dir / "collections" / Store(data_dir).collection("default").id / "generations/1/catalog.db").unlink()
    with pytest.raises(CorpusError, match=r"missing.*verify"):
        Copies(data_dir).backup("default", file, replace_file=True)
    assert file.read_text() == "precious"
    with pytest.raises(ConfigError, match=r"could not be written"):
        Copies(make(tmp_path / "more")).backup("c", tmp_path / "nowhere" / "x.tar")
    with pytest.raises(NotFound):
        Copies(data_dir).backup("nope", tmp_path / "x.tar")


def make(place: Path) -> Path:
    with Store(place).draft("c", EMBEDDING) as draft:
        put(draft, "/r", "a.md", "the text of a")
        draft.publish()
    return place


def test_a_collection_without_uploads_needs_no_database_of_them(tmp_path: Path) -> None:
    Copies(make(tmp_path / "data")).backup("c", tmp_path / "c.tar")
    Copies(tmp_path / "other").restore(tmp_path / "c.tar")
    assert not (tmp_path / "data/files.db").exists()
    assert not (tmp_path / "other/files.db").exists()


Change = Callable[[dict[str, bytes]], object]


def _evil(name: str) -> Change:
    return lambda members: members.__setitem__(name, b"x")


def _flip(name: str) -> Change:
    return lambda members: members.__setitem__(name, members[name][:-1] + b"?")


def _described(**more: object) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members["backup.json"] = json.dumps({**json.loads(members["backup.json"]), **more}).encode()
        sign(members)

    return change


def sign(members: dict[str, bytes]) -> None:

    sums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != "checksums.json"}
    members["checksums.json"] = json.dumps(sums).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_evil("../escaped"), "has a member '../escaped'"),
        (_evil("/etc/passwd"), "has a member"),
        (_evil("generation/../../x"), "has a member"),
        (_evil("files/file-1/../x"), "has a member"),
        (_evil("files/file-1/.."), "has a file named"),
        (_evil("generation/.hidden"), "has a member"),
        (_flip("generation/catalog.db"), "is not what was written"),
        (_flip("uploads.json"), "cannot be restored"),
        (lambda members: members.pop("generation/vectors.faiss"), "is missing or is not"),
        (lambda members: members.pop("checksums.json"), "no checksums"),
        (lambda members: members.pop("backup.json"), "is missing or is not"),
        (_described(format=2), "newer version"),
        (_described(id="../../x"), "no collection has the id"),
        (_described(generation="x"), "cannot be understood"),
        (_described(name="a\nb"), "cannot be named"),
    ],
)
def test_a_file_that_is_no_backup_leaves_nothing(data_dir: Path, tmp_path: Path, change: Change, why: str) -> None:
    Copies(data_dir).backup("default", tmp_path / "good.tar")
    with tarfile.open(tmp_path / "good.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    change(members)
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    refuse(tmp_path, why)


def refuse(tmp_path: Path, why: str) -> None:
    with pytest.raises((ConfigError, CorpusError), match=why):
        Copies(tmp_path / "other").restore(tmp_path / "bad.tar")
    left = sorted(str(path.relative_to(tmp_path / "other")) for path in (tmp_path / "other").rglob("*"))
    assert [path for path in left if path not in {"collections/.lock", "files"}] == ["FORMAT", "collections"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_taken(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        member = tarfile.TarInfo("generation/catalog.db")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refuse(tmp_path, "has a member")


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, None])
def test_a_file_that_was_cut_short_or_is_none_says_so(data_dir: Path, tmp_path: Path, content: bytes | None) -> None:
    Copies(data_dir).backup("default", tmp_path / "good.tar")
    whole = (tmp_path / "good.tar").read_bytes()
    (tmp_path / "bad.tar").write_bytes(whole[: len(whole) // 2] if content is None else content)
    refuse(tmp_path, "cannot be restored")
    (tmp_path / "bad.tar").unlink()
    refuse(tmp_path, "There is no file")


def test_an_upload_that_is_here_with_other_bytes_is_not_replaced(data_dir: Path, tmp_path: Path) -> None:
    Copies(data_dir).backup("default", tmp_path / "default.tar")
    Store(data_dir).delete("default")
    (file,) = (data_dir / "files").glob("file-*/notes.md")
    file.write_bytes(b"changed")
    with pytest.raises(CorpusError, match="with other bytes"):
        Copies(data_dir).restore(tmp_path / "default.tar")
    assert file.read_bytes() == b"changed"


@pytest.fixture
def reader(data_dir: Path) -> Iterator[None]:
    """Another reader, whose pin must not matter."""
    store = Store(data_dir)
    with store.pin("default"):
        yield
    store.close()


DAMAGES = {
    "UPDATE chunk SET start = start + 1 WHERE seq = 0": "is not the text from 1 to",
    "UPDATE chunk SET id = 'x' WHERE seq = 1": "is not that of its words",
    "UPDATE chunk SET key = x'00' WHERE seq = 1": "is not that of its words",
    "UPDATE chunk SET seq = 9 WHERE seq = 1": "not numbered in a row|no vector",
    "DELETE FROM chunk WHERE seq = 1": "4 vectors for 4|documents and chunks",
    "UPDATE document SET text = 'other'": "is not the text",
    "UPDATE document SET attributes = '[]'": "attributes of 'a.md' are none",
    "UPDATE document SET root = 99": "no root",
}


def test_an_index_of_words_that_lacks_chunks_is_named(data_dir: Path) -> None:
    folder = generation_of(data_dir)
    before = json.loads((folder / "generation.json").read_text())
    connection = sqlite3.connect(folder / "words.db")
    connection.execute("INSERT INTO words (words) VALUES ('delete-all')")
    connection.commit()
    connection.close()
    content = (folder / "words.db").read_bytes()
    before["files"]["words.db"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "generation.json").write_text(json.dumps(before))

    (problem,) = Copies(data_dir).verify("default")
    assert problem.what == "It has 0 of 4 chunks."


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_together_is_named(data_dir: Path, damage: str) -> None:
    """Damage whose checksums are right: as a fault of ours would make it."""
    folder = generation_of(data_dir)
    before = json.loads((folder / "generation.json").read_text())
    connection = sqlite3.connect(folder / "catalog.db")
    connection.execute(damage)
    connection.commit()
    connection.close()
    write_manifest(
        folder,
        files=("catalog.db", "vectors.faiss", "words.db"),
        number=1,
        documents=2,
        chunks=4,
        prefix_version=before["prefix_version"],
        embedding=EMBEDDING,
    )

    problems = Copies(data_dir).verify("default")
    assert any(re.search(DAMAGES[damage], problem.what) for problem in problems), problems
    assert all("restore" in problem.cure for problem in problems)


@pytest.mark.parametrize("name", ["catalog.db", "vectors.faiss"])
def test_changed_missing_and_strange_files_are_named(data_dir: Path, reader: None, name: str) -> None:
    copies, file = Copies(data_dir), generation_of(data_dir) / name
    data = file.read_bytes()
    assert copies.verify("default") == []
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert [(problem.place, "checksum" in problem.what) for problem in copies.verify("default")] == [(str(file), True)]
    file.unlink()
    assert [problem.what for problem in copies.verify("default")] == ["The file is missing."]
    file.write_bytes(data)
    (file.parent / "strange").touch()
    assert [problem.cure for problem in copies.verify("default")] == ["Delete it."]
    (file.parent / "generation.json").write_text("{")
    assert "damaged" in copies.verify("default")[0].what


def test_a_missing_upload_is_named(data_dir: Path) -> None:
    (file,) = (data_dir / "files").glob("file-*/notes.md")
    file.write_bytes(b"short")
    (problem,) = Copies(data_dir).verify("default")
    assert problem.place == str(file)
    assert "14 bytes" in problem.what


def test_a_backup_is_of_one_moment_while_generations_are_published(data_dir: Path, tmp_path: Path) -> None:

    stop = threading.Event()

    def publish() -> None:
        store = Store(data_dir)
        number = 0
        while not stop.is_set():
            number += 1
            with store.draft("default", EMBEDDING) as draft:
                put(draft, "/r", "a.md", f"the text of a, number {number:04}")
                draft.publish()
        store.close()

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for number in range(10):
            file = tmp_path / f"{number}.tar"
            info = Copies(data_dir).backup("default", file)
            assert Copies(tmp_path / f"other{number}").restore(file).generation == info.generation
    finally:
        stop.set()
        writer.join()


def test_files_that_wait_to_be_indexed_wait_after_a_restore_too(data_dir: Path, tmp_path: Path) -> None:
    shelf, store = Shelf(data_dir), Store(data_dir)
    info = store.collection("default")
    later = upload(shelf, "later.md", b"later")
    shelf.attachments.attach(info.id, [NewAttachment(file_id=later, attributes=None, cut=Cut(chunk_tokens=9))], now=6)
    Copies(data_dir).backup("default", tmp_path / "default.tar")
    Copies(tmp_path / "other").restore(tmp_path / "default.tar")
    restored = Shelf(tmp_path / "other")
    assert restored.attachments.waiting_stores() == (info.id,)
    attachment = restored.attachments.get(info.id, later)
    assert attachment is not None
    assert attachment.status is FileStatus.IN_PROGRESS
    for opened in (shelf, store, restored):
        opened.close()
