"""Files in, a searchable generation out; a second run does only what changed."""

import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import Summary, ingest
from ingest.progress import Bars
from rag.embed import FakeEncoder
from rag.errors import ConfigError, CorpusError, NotFound
from rag.settings import IngestSettings
from rag.store import Store

COUNTS = ("new", "changed", "moved", "unchanged", "removed", "embedded")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "guide").mkdir(parents=True)
    (folder / "guide/refunds.md").write_text("# Refunds\n\nMoney comes back in ten days.\n")
    (folder / "guide/shipping.md").write_text("# Shipping\n\nParcels leave on Monday.\n")
    (folder / "notes.txt").write_text("The office has a red door.\n")
    return folder


@pytest.fixture
def run(store: Store) -> Callable[..., Summary]:
    def ingest_into(*paths: Path, prune: bool = True, dry_run: bool = False, chunk_tokens: int = 200) -> Summary:
        return ingest(
            paths,
            collection="default",
            store=store,
            encoder=FakeEncoder(),
            settings=IngestSettings(max_file_bytes=10_000, chunk_tokens=chunk_tokens),
            prune=prune,
            dry_run=dry_run,
        )

    return ingest_into


def counts(summary: Summary) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: getattr(summary, name) for name in COUNTS if getattr(summary, name)}


def documents(store: Store) -> list[str]:
    with store.pin("default") as generation:
        return [chunk.document for chunk in generation.ordered_chunks()]


def best(store: Store, question: str) -> str:
    with store.pin("default") as generation:
        ((seq, _),) = generation.search(FakeEncoder().encode_queries([question])[0], 1)
        return generation.chunks([seq])[0].document


Run = Callable[..., Summary]


def test_documents_are_found_by_their_words_with_title_and_anchor(store: Store, docs: Path, run: Run) -> None:
    summary = run(docs)
    assert counts(summary) == {"new": 3, "embedded": 3}
    assert (summary.generation, summary.chunks) == (1, 3)
    assert documents(store) == ["guide/refunds.md", "guide/shipping.md", "notes.txt"]
    assert best(store, "when does money come back") == "guide/refunds.md"
    with store.pin("default") as generation:
        chunks = generation.ordered_chunks()
        assert [chunk.title for chunk in chunks] == ["Refunds", "Shipping", "notes"]
        assert [chunk.anchor.heading for chunk in chunks] == ["Refunds", "Shipping", None]
        for chunk in chunks:
            assert generation.document_text(chunk) == (docs / chunk.document).read_text()
            assert generation.document_text(chunk)[chunk.start : chunk.end] == chunk.text


def test_the_summary_has_exactly_the_documented_keys(docs: Path, run: Run) -> None:
    (docs / "empty.md").touch()
    (docs / "bad.pdf").write_bytes(b"%PDF-1.4")
    summary = run(docs).as_dict()
    assert list(summary) == [
        "collection", "generation", "new", "changed", "moved", "unchanged", "removed", "skipped", "failed", "chunks",
        "embedded", "seconds",
    ]  # fmt: skip
    assert summary["skipped"] == [{"path": "empty.md", "reason": "empty"}]
    assert summary["failed"] == [{"path": "bad.pdf", "error": "damaged: it is no readable PDF, or it has no pages"}]


def test_a_second_run_embeds_and_publishes_nothing(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "notes.txt").touch()
    again = run(docs)
    assert counts(again) == {"unchanged": 3}
    assert (again.generation, again.chunks) == (1, 3)


def test_changed_files_embed_only_new_text(store: Store, docs: Path, run: Run) -> None:
    long = "\n\n".join(f"# Part {part}\n\n" + f"word{part} " * 100 for part in range(5))
    (docs / "long.md").write_text(long)
    run(docs)
    (docs / "long.md").write_text(long.replace("word3", "other"))
    summary = run(docs)
    assert counts(summary) == {"changed": 1, "unchanged": 3, "embedded": 1}
    assert summary.generation == 2
    assert best(store, "other") == best(store, "word4") == "long.md"


def test_moved_files_embed_nothing_and_keep_their_vectors(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "guide/refunds.md").rename(docs / "returns.md")
    summary = run(docs)
    assert counts(summary) == {"moved": 1, "unchanged": 2}
    assert documents(store) == ["guide/shipping.md", "notes.txt", "returns.md"]
    assert best(store, "money back") == "returns.md"
    (docs / "returns.md").rename(docs / "returns.txt")
    assert counts(run(docs)) == {"new": 1, "unchanged": 2, "removed": 1}


def test_removed_files_leave_the_index_unless_pruning_is_off(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "notes.txt").unlink()
    assert counts(run(docs, prune=False)) == {"unchanged": 2}
    assert "notes.txt" in documents(store)
    assert counts(run(docs)) == {"unchanged": 2, "removed": 1}
    assert documents(store) == ["guide/refunds.md", "guide/shipping.md"]
    for file in (docs / "guide").iterdir():
        file.unlink()
    assert counts(run(docs)) == {"removed": 2}
    assert documents(store) == []


def test_other_roots_are_left_alone(store: Store, docs: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("Another text of the same name.")
    run(docs)
    assert counts(run(other)) == {"new": 1, "embedded": 1}
    assert documents(store).count("notes.txt") == 2
    (other / "notes.txt").unlink()
    (other / "new.txt").write_text("more")
    run(other)
    assert sorted(documents(store)) == ["guide/refunds.md", "guide/shipping.md", "new.txt", "notes.txt"]


def test_a_single_file_prunes_only_itself(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "notes.txt").write_text("")
    summary = run(docs / "notes.txt")
    assert counts(summary) == {"removed": 1}
    assert [each.path for each in summary.skipped] == ["notes.txt"]
    assert documents(store) == ["guide/refunds.md", "guide/shipping.md"]


@pytest.mark.parametrize("broken", [b"\xff\xfea", b"text \xff\x01 control", b"x" * 10_001])
def test_a_file_that_fails_keeps_its_last_good_state(store: Store, docs: Path, run: Run, broken: bytes) -> None:
    run(docs)
    (docs / "notes.txt").write_bytes(broken)
    summary = run(docs)
    assert counts(summary) == {"unchanged": 2}
    assert [each.path for each in summary.failed] == ["notes.txt"]
    assert summary.generation == 2  # which has the cause
    assert run(docs).generation == 2
    assert best(store, "red door") == "notes.txt"
    (docs / "notes.txt").write_text("The office has a blue door.")
    assert counts(run(docs)) == {"changed": 1, "unchanged": 2, "embedded": 1}


def test_a_file_that_turns_out_to_be_no_document_leaves_the_index(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "notes.txt").write_bytes(b"now\0binary")
    summary = run(docs)
    assert counts(summary) == {"unchanged": 2, "removed": 1}
    assert [(each.path, each.reason) for each in summary.skipped] == [("notes.txt", "binary")]
    assert documents(store) == ["guide/refunds.md", "guide/shipping.md"]


def test_a_file_that_vanishes_between_looking_and_reading_fails_alone(
    docs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Path.open

    def vanish(path: Path, *args: str, **keywords: str) -> object:
        if path.name == "notes.txt":
            raise FileNotFoundError(2, "No such file or directory")
        return honest(path, *args, **keywords)

    monkeypatch.setattr(Path, "open", vanish)
    summary = run(docs)
    assert counts(summary) == {"new": 2, "embedded": 2}
    assert [(each.path, each.reason) for each in summary.failed] == [("notes.txt", "it vanished while it was read")]


def test_another_chunk_size_chunks_everything_again(store: Store, docs: Path, run: Run) -> None:
    (docs / "long.txt").write_text("one two three four five six seven eight nine ten. " * 10)
    assert run(docs).chunks == 4
    summary = run(docs, chunk_tokens=20)
    assert summary.changed == 4
    assert summary.chunks > 6


def test_equal_texts_are_embedded_once(docs: Path, run: Run) -> None:
    (docs / "copy.txt").write_text("The office has a red door.\n")
    assert counts(run(docs)) == {"new": 4, "embedded": 3}
    (docs / "later copy.txt").write_text("The office has a red door.\n")
    assert counts(run(docs)) == {"new": 1, "unchanged": 4}
    assert counts(run(docs / "guide")) == {"new": 2}  # another root, the same files


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(store: Store, docs: Path, run: Run) -> None:
    assert counts(run(docs, dry_run=True)) == {"new": 3}
    with pytest.raises(NotFound):
        store.collection("default")
    assert not store._data_dir.exists()
    run(docs)
    (docs / "notes.txt").unlink()
    summary = run(docs, dry_run=True)
    assert counts(summary) == {"unchanged": 2, "removed": 1}
    assert (summary.generation, summary.chunks) == (1, 3)
    assert len(documents(store)) == 3


def test_a_folder_without_any_file_is_wrong_usage(store: Store, tmp_path: Path, run: Run) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match=r"none.*holds no documents.*Name a folder"):
        run(tmp_path / "none")
    assert store.collections() == ()
    (tmp_path / "none/a.7z").write_text("x")
    summary = run(tmp_path / "none")
    assert (summary.generation, len(summary.skipped)) == (0, 1)


def test_another_model_is_refused(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    with pytest.raises(CorpusError, match=r"'fake'.*'other'"):
        ingest([docs], collection="default", store=store, encoder=FakeEncoder("other"), settings=IngestSettings())


def test_many_chunks_are_embedded_in_batches(store: Store, docs: Path, run: Run) -> None:
    for number in range(300):
        (docs / f"{number:03}.txt").write_text(f"document{number} has its own word")
    (docs / "long.txt").write_text(" ".join(f"number{number}" for number in range(700)))
    assert run(docs, chunk_tokens=16).embedded > 340
    encoder = FakeEncoder()
    with store.pin("default") as generation:
        chunks = generation.ordered_chunks()
        assert len(chunks) > 340
        for chunk, vector in zip(chunks, encoder.encode_documents([each.text for each in chunks]), strict=True):
            assert dict(generation.search(vector, len(chunks)))[chunk.seq] == pytest.approx(1, abs=1e-3)  # in 16 bits


KILLED = """
import os, signal, sys
from pathlib import Path
from ingest import pipeline
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Store, Draft

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

def run(data_dir):
    pipeline.ingest([Path(sys.argv[1])], collection="default", store=Store(data_dir), encoder=FakeEncoder(),
                    settings=IngestSettings())

for step in sys.argv[3:]:
    child = os.fork()
    if not child:
        owner = FakeEncoder if step == "encode_documents" else Draft
        setattr(owner, step, die)
        run(Path(sys.argv[2], step))
        os._exit(0)
    print(step, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_killed_run_leaves_the_last_generation_and_the_next_one_finishes(docs: Path, tmp_path: Path) -> None:
    steps = ("encode_documents", "put", "publish")
    stores = [Store(tmp_path / step) for step in steps]

    def ingest_into(store: Store) -> Summary:
        return ingest([docs], collection="default", store=store, encoder=FakeEncoder(), settings=IngestSettings())

    for store in stores:
        ingest_into(store)
    (docs / "new.md").write_text("# Brand new\n")
    # One process that is killed at each step in a child: starting three would load everything three times.
    command = [sys.executable, "-c", KILLED, str(docs), str(tmp_path), *steps]
    killed = subprocess.run(command, check=True, capture_output=True, text=True)
    assert killed.stdout.split() == [word for step in steps for word in (step, str(-signal.SIGKILL))]
    for step, store in zip(steps, stores, strict=True):
        assert store.collection("default").generation == 1
        assert len(documents(store)) == 3
        expected = {"new": 1, "unchanged": 3}  # what had been embedded is not embedded again
        assert counts(ingest_into(store)) == expected | ({"embedded": 1} if step == "encode_documents" else {})
        assert best(store, "brand") == "new.md"
        store.close()


def test_bars_go_to_standard_error(store: Store, docs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        ingest([docs], collection="c", store=store, encoder=FakeEncoder(), settings=IngestSettings(), progress=bars)
    out, err = capfd.readouterr()
    assert out == ""
    assert "compare" in err
    assert "3/3" in err


def test_names_that_need_quoting_are_no_trouble(store: Store, docs: Path, run: Run, tmp_path: Path) -> None:
    for name in ("100% ?x=1#y.md", "名前.md", "a'b\"c.md"):
        (docs / name).write_text(name)
    assert run(docs).new == 6
    odd = Store(tmp_path / "data dir? #1%")
    ingest([docs], collection="c", store=odd, encoder=FakeEncoder(), settings=IngestSettings())
    with odd.pin("c") as generation:
        assert len(generation.ordered_chunks()) == 6
    odd.close()
    assert (tmp_path / "data dir? #1%/FORMAT").exists()


def archive(*files: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, text in files:
            opened.writestr(name, text)
    return out.getvalue()


def test_what_is_in_an_archive_is_documents_of_one_file(store: Store, docs: Path, run: Run) -> None:
    first, second = ("in/one.md", "# One\n\nThe first text.\n"), ("two.txt", "The second text.\n")
    (docs / "all.zip").write_bytes(archive(first, second, ("logo.png", "x"), ("bad.pdf", "%PDF-1.7")))
    summary = run(docs)
    assert counts(summary) == {"new": 4, "embedded": 5}
    assert [(each.path, each.reason[:7]) for each in summary.failed] == [("all.zip/bad.pdf", "damaged")]
    assert [each.path for each in summary.skipped] == ["all.zip/logo.png"]
    assert documents(store)[:2] == ["all.zip/in/one.md", "all.zip/two.txt"]
    assert best(store, "second text") == "all.zip/two.txt"

    again = run(docs)  # what failed is tried again, and nothing is embedded
    assert (counts(again), len(again.failed)) == ({"changed": 1, "unchanged": 3}, 1)
    (docs / "all.zip").write_bytes(archive(first, ("three.txt", "The third text.\n")))
    assert counts(run(docs)) == {"changed": 1, "unchanged": 3, "embedded": 1}
    assert documents(store)[:2] == ["all.zip/in/one.md", "all.zip/three.txt"]
    assert counts(run(docs)) == {"unchanged": 4}

    (docs / "all.zip").rename(docs / "moved.zip")
    assert counts(run(docs)) == {"moved": 1, "unchanged": 3}
    assert {"moved.zip/in/one.md", "moved.zip/three.txt"} < set(documents(store))
    (docs / "moved.zip").unlink()
    assert counts(run(docs)) == {"unchanged": 3, "removed": 1}
    assert len(documents(store)) == 3


def test_a_member_that_is_damaged_now_stays_as_it_was_known(store: Store, docs: Path, run: Run) -> None:
    good = ("a.json", '{"word": "kept"}')
    (docs / "all.zip").write_bytes(archive(good, ("b.txt", "Other.")))
    run(docs)
    (docs / "all.zip").write_bytes(archive(("a.json", "[" * 5000), ("b.txt", "Another.")))
    assert [each.path for each in run(docs).failed] == ["all.zip/a.json"]
    assert best(store, "word: kept") == "all.zip/a.json"
    assert best(store, "another") == "all.zip/b.txt"


def test_an_archive_without_documents_is_skipped(store: Store, docs: Path, run: Run) -> None:
    (docs / "none.zip").write_bytes(archive(("a.png", "x")))
    (docs / "bad.zip").write_bytes(b"PK and no more")
    summary = run(docs)
    assert [(each.path, each.reason) for each in summary.skipped][-1] == ("none.zip", "it holds no documents")
    assert [(each.path, each.reason[:7]) for each in summary.failed] == [("bad.zip", "damaged")]


def test_cells_and_slides_are_kept_as_anchors(store: Store, docs: Path, run: Run) -> None:
    (docs / "prices.csv").write_text("Name,Price\nBolt,3\n")
    run(docs)
    with store.pin("default") as generation:
        (chunk,) = (each for each in generation.ordered_chunks() if each.document == "prices.csv")
    assert chunk.anchor.as_dict() == {"cells": "A1:B2"}
    assert chunk.text == "Name | Price\nName: Bolt | Price: 3"
