"""What an ingest could not read is kept with the collection, until the file is mended, gone or left out."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import Summary, ingest
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Copies, EmbeddingInfo, Failure, Rules, Store

BAD = b"%PDF-1.7 and nothing behind it"
Run = Callable[..., Summary]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "in").mkdir(parents=True)
    (folder / "good.md").write_text("# Good\n\nThe office has a red door.\n")
    (folder / "bad.pdf").write_bytes(BAD)
    (folder / "in/worse.pdf").write_bytes(BAD)
    return folder


@pytest.fixture
def run(store: Store) -> Run:
    def ingest_into(*paths: Path, **options: Any) -> Summary:
        settings = IngestSettings(max_file_bytes=1000, workers=1)
        return ingest(
            paths, collection="default", store=store, encoder=FakeEncoder(), settings=settings, prune=True, **options
        )

    return ingest_into


def failures(store: Store) -> Mapping[str, Failure]:
    with store.pin("default") as generation:
        assert generation.info.failed == len(generation.failures())
        return {each.path: each for each in generation.failures()}


def test_what_failed_is_kept_with_its_cause_and_since_when(store: Store, docs: Path, run: Run) -> None:
    began = int(time.time())
    run(docs)
    found = failures(store)
    assert list(found) == ["bad.pdf", "in/worse.pdf"]
    one = found["bad.pdf"]
    assert (one.root, one.reason.partition(":")[0]) == (str(docs), "damaged")
    assert one.since is not None
    assert began <= one.since <= time.time()

    assert run(docs).generation == 1  # the same fails for the same reason: nothing is new
    (docs / "more.md").write_text("# More\n")
    assert run(docs).generation == 2
    assert failures(store) == found


def test_what_is_mended_gone_or_left_out_fails_no_more(store: Store, docs: Path, run: Run) -> None:
    (docs / "third.pdf").write_bytes(BAD)
    run(docs)
    (docs / "bad.pdf").unlink()
    run(docs)
    assert list(failures(store)) == ["in/worse.pdf", "third.pdf"]
    run(docs, rules=Rules(exclude=("third.pdf",)))
    assert list(failures(store)) == ["in/worse.pdf"]
    (docs / "in/worse.pdf").unlink()
    (docs / "in/worse.md").write_text("# Mended\n")
    summary = run(docs)
    assert (summary.new, summary.failed, failures(store)) == (1, (), {})


def test_a_run_that_changes_failures_alone_takes_the_indexes_over(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "bad.pdf").unlink()
    (docs / "other.pdf").write_bytes(BAD)
    assert run(docs).generation == 2
    assert list(failures(store)) == ["in/worse.pdf", "other.pdf"]
    (collection,) = (store.data_dir / "collections").glob("vs_*")
    for name in ("vectors.faiss", "words.db"):
        one, two = (collection / "generations" / number / name for number in "12")
        assert one.samefile(two)
    assert Copies(store.data_dir).verify("default") == []
    (docs / "more.md").write_text("# More\n")
    assert run(docs).generation == 3  # and 1 is gone, with its names of the files
    with store.pin("default") as generation:
        assert [chunk.document for chunk in generation.ordered_chunks()] == ["good.md", "more.md"]
    assert Copies(store.data_dir).verify("default") == []


def test_a_document_that_cannot_be_read_any_more_is_both(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    (docs / "good.md").write_bytes(b"text \xff\x01 control")
    run(docs)
    assert "good.md" in failures(store)
    with store.pin("default") as generation:
        (listed,) = generation.files().values()
        assert generation.failures()[1].file_id == listed.file_id
        assert "red door" in generation.text_of(listed)


def test_a_run_speaks_for_what_it_looks_at_alone(store: Store, docs: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "bad.pdf").write_bytes(BAD)
    run(docs, other)
    assert sorted((each.root, each.path) for each in _all(store)) == [
        (str(docs), "bad.pdf"),
        (str(docs), "in/worse.pdf"),
        (str(other), "bad.pdf"),
    ]
    for file in (docs / "bad.pdf", docs / "in/worse.pdf", other / "bad.pdf"):
        file.write_bytes(b"")  # which is skipped, where anybody looks
    run(docs / "bad.pdf")
    assert [each.root for each in _all(store) if each.path == "bad.pdf"] == [str(other)]
    assert "in/worse.pdf" in failures(store)

    (docs / "in/.ragignore").write_bytes(b"\xff")  # the folder cannot be looked at: what failed there fails still
    run(docs)
    assert {"in/", "in/worse.pdf"} <= set(failures(store))
    (docs / "in/.ragignore").unlink()
    run(docs, other)
    assert _all(store) == ()


def test_a_file_that_was_named_alone_and_is_gone_fails_no_more(
    store: Store, docs: Path, run: Run, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / "bad.pdf").write_bytes(BAD)
    run(docs / "bad.pdf", docs / "in/worse.pdf", away / "bad.pdf")
    (docs / "in/worse.pdf").unlink()
    away.rename(tmp_path / "elsewhere")  # a disk that is not there tells nothing of its files
    run(docs / "good.md")
    assert sorted((each.root, each.path) for each in _all(store)) == [(str(away), "bad.pdf"), (str(docs), "bad.pdf")]


def test_a_number_in_a_cause_makes_no_new_generation(store: Store, docs: Path, run: Run) -> None:
    (docs / "growing.md").write_text("x" * 1001)
    run(docs)
    (docs / "growing.md").write_text("x" * 1002)
    summary = run(docs)
    assert "1002 bytes" in next(each.reason for each in summary.failed if each.path == "growing.md")
    assert summary.generation == 1


def test_a_first_run_in_which_everything_fails_can_be_asked(store: Store, docs: Path, run: Run) -> None:
    (docs / "good.md").unlink()
    assert run(docs, dry_run=True).generation == 0
    assert store.collections() == ()
    summary = run(docs)
    assert (summary.generation, summary.chunks, len(failures(store))) == (1, 0, 2)


def test_what_failed_comes_along_with_a_backup(store: Store, docs: Path, run: Run, tmp_path: Path) -> None:
    run(docs)
    Copies(store.data_dir).backup("default", tmp_path / "default.tar")
    Copies(tmp_path / "copy").restore(tmp_path / "default.tar")
    copy = Store(tmp_path / "copy")
    assert failures(copy) == failures(store)
    copy.close()


def test_a_draft_that_is_thrown_away_changes_nothing(store: Store, docs: Path, run: Run) -> None:
    run(docs)
    info = FakeEncoder().info
    embedding = EmbeddingInfo(model=info.model, dimensions=info.dimensions, dtype=info.dtype)
    with store.draft("default", embedding) as draft:
        draft.set_failures([])
        assert draft.failures() == ()
    assert len(failures(store)) == 2


def _all(store: Store) -> tuple[Failure, ...]:
    with store.pin("default") as generation:
        return generation.failures()
