"""Collections, generations and drafts: nothing is seen before it is published, and nothing published is lost."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ConfigError, CorpusError, NotFound
from rag.store import Document, Draft, EmbeddingInfo, NewChunk, Store, TokenStore
from rag.store.catalog import chunk_id
from rag.types import Anchor, ChunkId

EMBEDDING = EmbeddingInfo(model="test", dimensions=4, dtype="float32")
ROOT = "/documents"


def put(draft: Draft, path: str, text: str, *, row: int = 0, root: str = ROOT) -> None:
    """One document of one chunk, whose vector is the unit vector `row`."""
    document = Document(root=root, path=path, title=None, sha256=text, size=len(text), recipe="1", text=text)
    chunk = NewChunk(start=0, end=len(text), anchor=Anchor(line=1))
    draft.put(document, [chunk], np.eye(4, dtype=np.float32)[row : row + 1])


def publish(store: Store, *paths: str, text: str = "text", name: str = "default") -> int:
    with store.draft(name, EMBEDDING) as draft:
        for row, path in enumerate(paths):
            put(draft, path, f"{text} of {path}", row=row)
        return draft.publish()


def folder_of(store: Store) -> Path:
    return store._collections / store.collection("default").id


def test_a_published_chunk_is_found_by_number_id_and_vector(store: Store) -> None:
    assert publish(store, "a.md", "sub/b.md") == 1
    with store.pin("default") as generation:
        first, second = generation.ordered_chunks()
        assert (first.document, second.document, second.title) == ("a.md", "sub/b.md", "b")
        assert generation.search(np.eye(4, dtype=np.float32)[1], 10) == ((second.seq, 1.0), (first.seq, 0.0))
        assert generation.chunks([second.seq, first.seq]) == (second, first)
        assert generation.chunk(second.id) == second
        assert generation.chunk(ChunkId("0" * 32)) is None
        assert generation.document_text(second)[second.start : second.end] == second.text
        assert generation.info == store.collection(generation.info.id) == store.collections()[0]


def test_chunk_ids_are_the_same_on_every_machine() -> None:
    assert chunk_id("guide/a.md", 3, 9, "grüße!") == "e250d531a3ee673d0d4c4b580f8aa467"


def test_equal_paths_under_two_roots_are_two_documents(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "same", root="/one")
        put(draft, "a.md", "same", root="/two")
        draft.publish()
    with store.pin("default") as generation:
        one, two = generation.ordered_chunks()
        assert (one.id, generation.roots()) == (two.id, ("/one", "/two"))
        assert one.seq != two.seq
        assert generation.chunk(one.id) == one


def test_equal_content_gives_an_equal_prefix_version(store: Store) -> None:
    publish(store, "a.md", "b.md")
    publish(store, "b.md", "a.md", name="other order")
    publish(store, "a.md", "b.md", text="else", name="other text")
    versions = {info.name: info.prefix_version for info in store.collections()}
    assert versions["default"] == versions["other order"] != versions["other text"]


def test_a_pinned_generation_stays_while_others_are_published(store: Store) -> None:
    publish(store, "a.md")
    with store.pin("default") as old:
        for text in ("second", "third", "fourth"):
            publish(store, "a.md", text=text)
        with store.pin("default") as new:
            assert (old.number, new.number) == (1, 4)
            assert new.ordered_chunks()[0].text == "fourth of a.md"
        assert old.chunks([old.search(np.eye(4, dtype=np.float32)[0], 1)[0][0]])[0].text == "text of a.md"
    generations = {path.name for path in (folder_of(store) / "generations").iterdir()}
    assert generations == {"3", "4"}


def test_another_process_sees_a_publish_at_its_next_pin(store: Store, tmp_path: Path) -> None:
    publish(store, "a.md")
    reader = Store(tmp_path / "data")
    with reader.pin("default") as generation:
        assert generation.number == 1
    publish(store, "b.md")
    with reader.pin("default") as generation:
        assert [chunk.document for chunk in generation.ordered_chunks()] == ["a.md", "b.md"]
    reader.close()


def test_readers_pin_and_search_while_a_writer_publishes(store: Store) -> None:
    publish(store, "a.md")
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with store.pin("default") as generation:
                    (seq, score), *_ = generation.search(np.eye(4, dtype=np.float32)[0], 1)
                    assert score == 1.0
                    assert generation.chunks([seq])[0].text.endswith(f"{generation.number} of a.md")
        except BaseException as error:
            failures.append(error)
            raise

    publish(store, "a.md", text="2")
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(3, 20):
        publish(store, "a.md", text=str(number))
    done.set()
    for reader in readers:
        reader.join()
    assert not failures


def test_a_draft_without_changes_publishes_nothing(store: Store) -> None:
    publish(store, "a.md")
    with store.draft("default", EMBEDDING) as draft:
        assert draft.publish() == 1
    assert store.collection("default").generation == 1


def test_a_draft_that_is_not_published_leaves_nothing(store: Store) -> None:
    publish(store, "a.md")
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "b.md", "lost")
    assert [path.name for path in (folder_of(store) / "generations").iterdir()] == ["1"]
    with pytest.raises(ZeroDivisionError), store.draft("new", EMBEDDING):
        raise ZeroDivisionError
    assert [info.name for info in store.collections()] == ["default"]
    assert len(list(store._collections.glob("vs_*"))) == 1


def test_vectors_of_unchanged_text_and_of_moved_documents_are_kept(store: Store) -> None:
    publish(store, "a.md", "b.md")
    with store.draft("default", EMBEDDING) as draft:
        assert list(draft.known(ROOT)) == ["a.md", "b.md"]
        vectors = draft.vectors(["text of b.md", "unknown"])
        assert {text: vector.tolist() for text, vector in vectors.items()} == {"text of b.md": [0, 1, 0, 0]}
        draft.move(ROOT, "b.md", "moved/c.md")
        draft.remove(ROOT, "a.md")
        draft.publish()
    with store.pin("default") as generation:
        (chunk,) = generation.ordered_chunks()
        assert (chunk.document, chunk.title) == ("moved/c.md", "c")
        assert chunk.id == chunk_id("moved/c.md", 0, len(chunk.text), "text of b.md")
        assert generation.search(np.eye(4, dtype=np.float32)[1], 5) == ((chunk.seq, 1.0),)


def test_a_collection_can_be_empty(store: Store) -> None:
    publish(store, "a.md")
    with store.draft("default", EMBEDDING) as draft:
        draft.remove(ROOT, "a.md")
        assert draft.publish() == 2
    with store.pin("default") as generation:
        assert generation.search(np.eye(4, dtype=np.float32)[0], 3) == ()
        assert generation.ordered_chunks() == ()


def test_two_writers_of_one_collection_exclude_each_other(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "data")
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "a.md", "mine")
        with pytest.raises(CorpusError, match="Another ingest is running on collection 'default'"):
            other.draft("default", EMBEDDING).__enter__()
        with other.draft("else", EMBEDDING) as free:
            put(free, "b.md", "other collections are not held up")
            free.publish()
        assert draft.publish() == 1


def test_another_embedding_model_is_refused_with_both_names(store: Store) -> None:
    publish(store, "a.md")
    other = EmbeddingInfo(model="newer", dimensions=4, dtype="float32")
    with pytest.raises(CorpusError, match=r"'test'.*'newer'.*another collection"), store.draft("default", other):
        pass
    other = EmbeddingInfo(model="test", dimensions=4, dtype="bfloat16")
    with pytest.raises(CorpusError, match=r"Set embedding.dtype to 'float32'"), store.draft("default", other):
        pass


def test_unknown_collections_are_not_found(store: Store) -> None:
    for ask in (store.collection, store.delete, lambda name: store.pin(name).__enter__()):
        with pytest.raises(NotFound, match="no collection 'nope'") as caught:
            ask("nope")
        assert caught.value.code == "collection_not_found"
    assert store.collections() == ()
    assert not (store._data_dir).exists()


def test_a_deleted_collection_is_gone_and_pins_end_undisturbed(store: Store) -> None:
    publish(store, "a.md")
    with store.pin("default") as generation:
        store.delete("default")
        assert generation.ordered_chunks()[0].text == "text of a.md"
        assert len(generation.search(np.eye(4, dtype=np.float32)[0], 3)) == 1
    with pytest.raises(NotFound):
        store.collection("default")
    publish(store, "b.md")
    with store.pin("default") as generation:
        assert generation.number == 1


@pytest.mark.parametrize("name", ["", " ", "vs_1", "a\nb", "x" * 257])
def test_names_that_could_be_confused_are_refused(store: Store, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be named"), store.draft(name, EMBEDDING):
        pass


def test_a_newer_layout_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("2")
    for opens in (Store, lambda path: TokenStore(path, "x")):
        with pytest.raises(CorpusError, match=r"layout 2.*up to 1.*Upgrade prefixrag"):
            opens(tmp_path)
    (tmp_path / "FORMAT").write_text("one")
    with pytest.raises(CorpusError, match="damaged"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["catalog.db", "vectors.faiss", "generation.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_damaged_files_are_named(store: Store, tmp_path: Path, name: str, damage: str) -> None:
    publish(store, "a.md")
    file = folder_of(store) / "generations" / "1" / name
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        flipped = data[:20] + bytes(value ^ 0xFF for value in data[20:24]) + data[24:]
        file.write_bytes(data[: len(data) // 2] if damage == "cut" else flipped)
    fresh = Store(tmp_path / "data")
    with pytest.raises(CorpusError, match=rf"{name}.*rag ingest"):
        fresh.pin("default").__enter__()
    with pytest.raises(CorpusError, match=name):
        fresh.draft("default", EMBEDDING).__enter__()
    fresh.delete("default")
    assert fresh.collections() == ()


def test_damaged_pointers_and_descriptions_are_named(store: Store) -> None:
    publish(store, "a.md")
    folder = folder_of(store)
    (folder / "CURRENT").write_text("what?")
    with pytest.raises(CorpusError, match="CURRENT"):
        store.pin("default").__enter__()
    (folder / "CURRENT").write_text("1\n")
    (folder / "collection.json").write_text("{")
    with pytest.raises(CorpusError, match=r"collection.json.*rag collections delete"):
        store.collections()
    store.delete(folder.name)
    assert store.collections() == ()


def test_a_write_over_the_limit_leaves_the_last_generation(store: Store, tmp_path: Path) -> None:
    publish(store, "a.md")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with (
            store.draft("default", EMBEDDING) as draft,
            pytest.raises(CorpusError, match=r"could not be written.*Free disk space"),
        ):
            put(draft, "big.md", "x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in (folder_of(store) / "generations").iterdir()] == ["1"]
    with store.pin("default") as generation:
        assert [chunk.document for chunk in generation.ordered_chunks()] == ["a.md"]
    assert publish(store, "b.md") == 2


@pytest.mark.parametrize("full_at", ["vectors.faiss", "generation.json", "CURRENT"])
def test_a_disk_that_fills_at_publish_leaves_the_last_generation(
    store: Store, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    publish(store, "a.md")
    honest = Path.open

    def full(path: Path, *args: str, **keywords: str) -> object:
        if full_at in path.name and args and "w" in args[0]:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return honest(path, *args, **keywords)

    with store.draft("default", EMBEDDING) as draft:
        put(draft, "b.md", "new")
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(CorpusError, match="No space left"):
            draft.publish()
        monkeypatch.undo()
    assert [path.name for path in (folder_of(store) / "generations").iterdir()] == ["1"]
    assert store.collection("default").generation == 1
    assert publish(store, "b.md") == 2


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_store as t
from rag.store import Store, draft as d, info, layout

step = sys.argv[2]
count = 0
def dying(honest):
    def wrapped(*args, **keywords):
        if wrapped.name == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(*args, **keywords)
    return wrapped
steps = ((d, "write_index"), (d, "write_manifest"), (layout.Folder, "set_current"), (layout.Folder, "remove_old"))
for module, name in steps:
    honest = getattr(module, name)
    wrapped = dying(honest)
    wrapped.name = name
    setattr(module, name, wrapped)
store = Store(Path(sys.argv[1]))
if step == "remove_old":
    step = "later"
with store.draft("default", t.EMBEDDING) as draft:
    t.put(draft, "b.md", "new", row=1)
    step = sys.argv[2]
    draft.publish()
"""


@pytest.mark.parametrize(
    ("step", "published"),
    [("write_index", 1), ("write_manifest", 1), ("set_current", 1), ("remove_old", 2)],
)
def test_a_writer_killed_at_any_step_leaves_a_whole_generation(
    store: Store, tmp_path: Path, step: str, published: int
) -> None:
    publish(store, "a.md")
    script = KILLED.format(tests=str(Path(__file__).parent))
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "data"), step], check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    with store.pin("default") as generation:
        assert generation.number == published
        assert len(generation.ordered_chunks()) == published
    assert publish(store, "c.md") == published + 1
    assert not list((folder_of(store) / "generations").glob(".tmp-*"))


def test_a_collection_can_be_made_empty_and_called_as_its_id(store: Store) -> None:
    made = store.create(None, "red", EMBEDDING)
    assert (made.name, made.group, made.generation, made.documents) == (made.id, "red", 1, 0)
    assert store.collections() == (made,)
    with store.pin(made.id) as generation:
        assert generation.search(np.eye(4, dtype=np.float32)[0], 3) == ()
        assert generation.files() == {}


def test_a_renamed_collection_is_found_by_its_new_name_alone(store: Store) -> None:
    publish(store, "a.md")
    before = store.collection("default")
    renamed = store.rename("default", "other")
    assert (renamed.id, renamed.name, renamed.created) == (before.id, "other", before.created)
    with store.pin("other") as generation:
        assert generation.info.name == "other"
    with pytest.raises(NotFound):
        store.collection("default")
    with pytest.raises(ConfigError):
        store.rename("other", "vs_mine")


def test_what_another_process_changes_is_seen_at_once_however_old_the_collections_are(
    store: Store, tmp_path: Path
) -> None:
    names = ("default", "kept", "renamed", "deleted")
    for name in names:
        publish(store, "a.md", name=name)
        os.utime(store._collections / store.collection(name).id, (0, 0))
    for _ in range(2):
        assert {info.name: info.generation for info in store.collections()} == dict.fromkeys(names, 1)

    other = Store(tmp_path / "data")
    publish(other, "b.md")
    other.rename("renamed", "new")
    other.delete("deleted")
    other.close()

    assert {info.name: info.generation for info in store.collections()} == {"default": 2, "kept": 1, "new": 1}
    assert store.collection("new").name == "new"
    for gone in ("renamed", "deleted"):
        with pytest.raises(NotFound):
            store.collection(gone)


def test_a_collection_deleted_under_its_writer_is_gone_at_once_and_not_made_again(store: Store, tmp_path: Path) -> None:
    publish(store, "a.md")
    folder = tmp_path / "data" / "collections" / store.collection("default").id
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "b.md", "more")
        Store(tmp_path / "data").delete("default")
        assert store.collections() == ()
        with pytest.raises(NotFound):
            store.collection("default")
        with pytest.raises(NotFound, match="deleted"):
            draft.publish()
    assert not folder.exists()
    assert store.collections() == ()


def test_a_search_of_some_chunks_finds_as_many_as_it_can(store: Store) -> None:
    publish(store, "a.md", "b.md", "c.md")
    with store.pin("default") as generation:
        files = {listed.path: listed for listed in generation.files().values()}
        allowed = frozenset(files["b.md"].seqs) | frozenset(files["c.md"].seqs)
        query = np.eye(4, dtype=np.float32)[0]
        assert {seq for seq, _ in generation.search(query, 10, allowed)} == allowed
        assert len(generation.search(query, 1, allowed)) == 1
        assert generation.search(query, 10, frozenset()) == ()
        for listed in files.values():
            (chunk,) = generation.chunks(list(listed.seqs))
            assert generation.file_of(chunk) == listed
            assert generation.text_of(listed) == generation.document_text(chunk)
