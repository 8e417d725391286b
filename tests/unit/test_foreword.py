"""The document's title is a part of what is embedded of a chunk, and of nothing else."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ingest import chunk
from ingest.pipeline import Summary, ingest
from rag.embed import FakeEncoder
from rag.embed.base import Vectors
from rag.foreword import Forewords
from rag.settings import IngestSettings
from rag.store import Copies, Store

LONG = "# Refunds\n\n" + "\n\n".join(f"## Part {part}\n\n" + f"word{part} " * 100 for part in range(4))


class Listening(FakeEncoder):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.heard += texts
        return super().encode_documents(texts)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refunds.md").write_text(LONG)
    (folder / "notes.txt").write_text("The office has a red door.\n")
    return folder


@pytest.fixture
def encoder() -> Listening:
    return Listening()


@pytest.fixture
def run(store: Store, docs: Path, encoder: Listening) -> Callable[[], Summary]:
    def run() -> Summary:
        encoder.heard.clear()
        return ingest([docs], collection="default", store=store, encoder=encoder, settings=IngestSettings())

    return run


Run = Callable[[], Summary]


@pytest.mark.parametrize(
    ("title", "text", "foreword"),
    [
        ("Refunds", "Money comes back.", "Refunds"),
        ("Refunds\n of  money", "It comes back.", "Refunds of money"),
        (None, "Money comes back.", ""),
        (" ", "Money comes back.", ""),
        ("Refunds", "# REFUNDS\n\nMoney comes back.", ""),
        ("Refunds", "Refunds come back.", ""),
        ("T" * 1000, "Money comes back.", "T" * 200),
        ("Refunds", "word " * 19, "Refunds"),
        ("Refunds", "word " * 20, ""),
    ],
)
def test_it_is_the_title_where_the_text_does_not_begin_with_it_and_it_fits(
    title: str | None, text: str, foreword: str
) -> None:
    assert Forewords(FakeEncoder().tokenizer, 20).of(title, text) == foreword


def test_titles_are_embedded_and_stand_in_no_text(store: Store, run: Run, encoder: Listening) -> None:
    run()
    with store.pin("default") as generation:
        chunks = generation.ordered_chunks()
        assert len(chunks) == 5
        for each in chunks:
            assert generation.document_text(each)[each.start : each.end] == each.text
        first, second = (next(each for each in chunks if name in each.text) for name in ("word0", "word1"))
        assert not second.text.startswith("Refunds")
        assert {first.text, f"Refunds\n{second.text}"} < set(encoder.heard)
        vectors = generation.vectors([second.seq])
    assert (
        vectors.tobytes()
        == FakeEncoder().encode_documents([f"Refunds\n{second.text}"]).astype("<f2").astype("<f4").tobytes()
    )


def test_a_renamed_file_is_not_embedded_again(docs: Path, run: Run, encoder: Listening) -> None:
    run()
    (docs / "refunds.md").rename(docs / "returns.md")
    (docs / "notes.txt").rename(docs / "office.txt")
    assert (run().moved, encoder.heard) == (2, [])


def test_another_title_is_embedded_again_and_only_that(docs: Path, run: Run, encoder: Listening) -> None:
    run()
    (docs / "refunds.md.meta.yaml").write_text("title: Returns\n")
    assert run().embedded == 4
    assert all(text.startswith("Returns\n") for text in encoder.heard)


def test_equal_texts_below_two_titles_have_two_vectors(docs: Path, run: Run, encoder: Listening) -> None:
    run()
    (docs / "later.md").write_text(LONG.replace("# Refunds", "# Returns", 1))
    assert run().embedded == 4  # the first chunk has another text too
    (docs / "again.md").write_text(LONG)
    assert run().embedded == 0


def test_collections_of_an_older_recipe_embed_what_has_a_title(
    docs: Path, run: Run, encoder: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(chunk, "VERSION", chunk.VERSION - 1)
        older.setattr(Forewords, "of", lambda *_: "")
        run()
    summary = run()
    assert (summary.changed, summary.embedded) == (2, 3)
    assert all(text.startswith("Refunds\n") for text in encoder.heard)


def test_verify_knows_what_was_embedded(run: Run, tmp_path: Path) -> None:
    run()
    assert Copies(tmp_path / "data").verify("default") == []
