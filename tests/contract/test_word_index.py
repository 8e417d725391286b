"""Every kind of index of words: each script is found, nothing in a question is an operator, it follows its catalog."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import CorpusError
from rag.settings import IndexSettings
from rag.store import Copies, Document, Draft, EmbeddingInfo, NewChunk, Store
from rag.store.words import WordIndex, WordsKind, write_words
from rag.store.words.fts import FtsIndex
from rag.store.words.present import kind_in
from rag.store.words.segments import SegmentIndex
from rag.store.words.spelling import spelled
from rag.types import Anchor

EMBEDDING = EmbeddingInfo(model="test", dimensions=4, dtype="float32")
ROOT = "/documents"
TEXTS = {
    "en.md": "Databases keep the refunds of the year.",
    "de.md": "Die Größe des Hauses in der Vorstadt",
    "fr.md": "Un café naïf à la mode",
    "zh.md": "用户可以在三十天内申请退款。",
    "ja.md": "返品は三十日以内に受け付けます。データベース",
    "ko.md": "환불은 삼십일 이내에 가능합니다.",
    "th.md": "การคืนเงินภายในสามสิบวัน",
    "ar.md": "يمكن للمستخدمين استرداد الأموال خلال ثلاثين يوماً",
    "hi.md": "तीस दिनों के भीतर धनवापसी",
}
SETTINGS = {WordsKind.FTS: IndexSettings(), WordsKind.SEGMENTS: IndexSettings(fts_chunks=0)}
OPENED: dict[WordsKind, Callable[..., WordIndex]] = {
    WordsKind.FTS: lambda generation, **more: FtsIndex(generation / "words.db", **more),
    WordsKind.SEGMENTS: SegmentIndex,
}
MARK = {WordsKind.FTS: "words.db", WordsKind.SEGMENTS: "words.json"}


@pytest.fixture(params=list(WordsKind))
def kind(request: pytest.FixtureRequest) -> WordsKind:
    return request.param


@pytest.fixture
def store(tmp_path: Path, kind: WordsKind) -> Iterator[Store]:
    opened = Store(tmp_path / "data", SETTINGS[kind])
    with opened.draft("default", EMBEDDING) as draft:
        for path, text in TEXTS.items():
            put(draft, path, text)
        draft.publish()
    yield opened
    opened.close()


def put(draft: Draft, path: str, text: str, *, title: str | None = None, heading: str | None = None) -> None:
    document = Document(root=ROOT, path=path, title=title, sha256=text, size=len(text), recipe="1", text=text)
    chunk = NewChunk(start=0, end=len(text), anchor=Anchor(line=1, heading=heading))
    draft.put(document, [chunk], np.eye(4, dtype=np.float32)[:1])


def found(store: Store, query: str, *, allowed: frozenset[int] | None = None) -> list[str]:
    with store.pin("default") as generation:
        pairs = generation.search_words(query, 10, allowed)
        assert list(pairs) == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        return [chunk.document for chunk in generation.chunks([seq for seq, _ in pairs])]


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("which database has a refund?", "en.md"),  # other endings
        ("GROSSE", "de.md"),
        ("cafe naif", "fr.md"),
        ("退款怎么申请", "zh.md"),
        ("データベースの返品", "ja.md"),
        ("환불", "ko.md"),
        ("คืนเงิน", "th.md"),
        ("المستخدم", "ar.md"),  # with another prefix and ending
        ("धनवापसी", "hi.md"),
    ],
)
def test_a_text_is_found_by_words_of_its_script(store: Store, query: str, document: str) -> None:
    assert found(store, query)[0] == document


def test_title_heading_and_file_name_are_searched(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "warranty-terms.md", "Nothing.", heading="Returns > Deadline")
        put(draft, "x.md", "Nothing.", title="Invoices")
        draft.publish()
    assert found(store, "warranty") == found(store, "deadlines") == ["warranty-terms.md"]
    assert found(store, "invoice") == ["x.md"]


@pytest.mark.parametrize("query", ['"', "café OR", "* ^ NEAR(", "text : database", "-refund", "a AND NOT b", "", "\0"])
def test_nothing_in_a_question_is_an_operator(store: Store, query: str) -> None:
    assert isinstance(found(store, query), list)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_spelling_a_text_loses_no_ordinary_word(text: str) -> None:
    assert spelled(f"refund {text}").split()[0] == "refund"


def test_only_allowed_chunks_are_found(store: Store) -> None:
    with store.pin("default") as generation:
        seqs = {chunk.document: chunk.seq for chunk in generation.ordered_chunks()}
    with store.draft("default", EMBEDDING) as draft:
        put(draft, "second.md", "The refunds again: refunds and refunds.")
        draft.publish()
    assert set(found(store, "refunds")) == {"second.md", "en.md"}
    assert found(store, "refunds", allowed=frozenset({seqs["en.md"]})) == ["en.md"]
    assert found(store, "refunds", allowed=frozenset()) == []


def current(store: Store) -> Path:
    """The folder of the current generation."""
    info = store.collection("default")
    return store._collections / info.id / "generations" / str(info.generation)


def test_frequent_words_are_left_out_beside_rare_ones(store: Store, kind: WordsKind) -> None:
    with store.draft("default", EMBEDDING) as draft:
        for number in range(40):
            put(draft, f"{number}.txt", "the harbour" if number else "the harbour lighthouse")
        draft.publish()
    generous, thrifty = OPENED[kind](current(store)), OPENED[kind](current(store), n_entries=5)
    assert len(generous.search("harbour lighthouse", 100)) == 40
    assert len(thrifty.search("the harbour lighthouse", 100)) == 1
    assert thrifty.search("the harbour", 100) == ()  # too many to be worth it: meaning alone is searched
    generous.close()
    thrifty.close()


def test_of_equal_scores_the_lowest_numbers_are_found(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        for number in range(40):
            put(draft, f"{number:02}.txt", "the harbour")
        draft.publish()
    assert found(store, "harbour") == [f"{number:02}.txt" for number in range(10)]


def change(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        draft.remove(ROOT, "zh.md")
        put(draft, "en.md", "Databases keep nothing.")
        draft.move(ROOT, "fr.md", "moved.md")
        put(draft, "new.md", "A lighthouse.")
        draft.publish()


def test_an_index_follows_its_catalog(store: Store, kind: WordsKind) -> None:
    change(store)
    assert kind_in(current(store)) is kind
    assert (found(store, "lighthouses"), found(store, "moved"), found(store, "naif")) == (
        ["new.md"],
        ["moved.md"],
        ["moved.md"],
    )
    assert found(store, "退款") == found(store, "refund") == []
    with store.pin("default") as generation:
        assert generation.n_chunks_by_words == len(TEXTS)


def test_an_index_that_was_changed_finds_what_one_that_was_made_at_once_finds(
    store: Store, kind: WordsKind, tmp_path: Path
) -> None:
    change(store)
    (tmp_path / "again").mkdir()
    shutil.copyfile(current(store) / "catalog.db", tmp_path / "again" / "catalog.db")
    write_words(tmp_path / "again", None, len(TEXTS), SETTINGS[kind])
    changed, made = OPENED[kind](current(store)), OPENED[kind](tmp_path / "again")
    for text in (*TEXTS.values(), "lighthouse", "moved", "refund"):
        assert [seq for seq, _ in changed.search(text, 10)] == [seq for seq, _ in made.search(text, 10)]
    changed.close()
    made.close()


def test_another_count_makes_another_kind(store: Store, kind: WordsKind, tmp_path: Path) -> None:
    other = next(each for each in WordsKind if each is not kind)
    again = Store(tmp_path / "data", SETTINGS[other])
    change(again)
    assert kind_in(current(again)) is other
    assert found(again, "lighthouses") == ["new.md"]
    assert Copies(tmp_path / "data").verify("default") == []
    again.close()


def test_a_search_outlives_its_files(store: Store) -> None:
    with store.pin("default") as generation:
        shutil.rmtree(current(store))
        assert len(generation.search_words("refunds", 10)) == 1


def test_reading_leaves_nothing_beside_the_files(store: Store, kind: WordsKind) -> None:
    names = {file.name for file in current(store).iterdir()}
    opened = OPENED[kind](current(store))
    assert opened.n_chunks == len(TEXTS)
    opened.close()
    assert {
        file.name for file in current(store).iterdir()
    } == names  # a generation may lie on a disk that cannot be written


def test_backup_restore_and_verify_cover_it(store: Store, kind: WordsKind, tmp_path: Path) -> None:
    copies = Copies(tmp_path / "data")
    copies.backup("default", tmp_path / "backup.tar")
    Copies(tmp_path / "other").restore(tmp_path / "backup.tar")
    restored = Store(tmp_path / "other")
    assert found(restored, "refunds") == ["en.md"]
    restored.close()
    (damaged,) = (file for file in current(store).glob("words*") if file.suffix in {".db", ".idx"})
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert [problem.place for problem in copies.verify("default")] == [str(damaged)]
    with pytest.raises(CorpusError, match="is damaged"):
        read_anew(tmp_path / "data")


def read_anew(data_dir: Path) -> None:
    """Nothing; the collection there can be read."""
    opened = Store(data_dir)
    try:
        with opened.pin("default"):
            pass
    finally:
        opened.close()


def test_files_that_are_no_index_are_said_to_be_damaged(store: Store, kind: WordsKind) -> None:
    for file in current(store).glob("words*"):
        file.write_bytes(b"nothing of the kind")
    with pytest.raises(CorpusError, match="is damaged"):
        OPENED[kind](current(store))


def republish(store: Store, generation: Path) -> None:
    """An ingest that changes nothing, after the manifest was brought in line with the files."""
    manifest = json.loads((generation / "generation.json").read_text())
    for name in [name for name in manifest["files"] if name.startswith("words")]:
        if (generation / name).exists():
            manifest["files"][name] = {
                "bytes": (generation / name).stat().st_size,
                "sha256": hashlib.sha256((generation / name).read_bytes()).hexdigest(),
            }
        else:
            del manifest["files"][name]
    (generation / "generation.json").write_text(json.dumps(manifest))
    with store.pin("default") as opened:
        assert not opened.has_words
        assert opened.search_words("refunds", 10) == ()
    with store.draft("default", EMBEDDING) as draft:
        assert draft.publish() == int(generation.name) + 1


def test_a_generation_without_words_gets_them_with_the_next_ingest(store: Store, kind: WordsKind) -> None:
    generation = current(store)
    for file in generation.glob("words*"):
        file.unlink()
    republish(store, generation)
    assert found(store, "refunds") == ["en.md"]
    assert kind_in(current(store)) is kind


def test_an_index_of_an_older_spelling_is_made_anew(store: Store, kind: WordsKind) -> None:
    generation = current(store)
    if kind is WordsKind.FTS:
        with sqlite3.connect(generation / "words.db") as connection:
            connection.execute("PRAGMA user_version = 0")
        connection.close()
    else:
        (generation / MARK[kind]).write_text('{"recipe": 0}')
    republish(store, generation)
    assert found(store, "refunds") == ["en.md"]
