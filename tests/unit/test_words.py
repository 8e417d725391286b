"""Search by words: every script is found, nothing in a question is an operator, and an index follows its catalog."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.store import Document, Draft, EmbeddingInfo, NewChunk, Store
from rag.store.words import WordIndex
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
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


def test_frequent_words_are_left_out_beside_rare_ones(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        for number in range(40):
            put(draft, f"{number}.txt", "the harbour" if number else "the harbour lighthouse")
        draft.publish()
    file = store._collections / store.collection("default").id / "generations" / "2" / "words.db"
    generous, thrifty = WordIndex(file), WordIndex(file, n_entries=5)
    assert len(generous.search("harbour lighthouse", 100)) == 40
    assert len(thrifty.search("the harbour lighthouse", 100)) == 1
    assert thrifty.search("the harbour", 100) == ()  # too many to be worth it: meaning alone is searched
    generous.close()
    thrifty.close()


def index_of(store: Store) -> dict[str, list[int]]:
    """Every word with the chunks that have it."""
    file = store._collections / store.collection("default").id / "generations"
    connection = sqlite3.connect(file / str(store.collection("default").generation) / "words.db")
    connection.execute("CREATE VIRTUAL TABLE temp.instances USING fts5vocab(main, words, instance)")
    words: dict[str, list[int]] = {}
    for word, seq in connection.execute("SELECT DISTINCT term, doc FROM temp.instances ORDER BY term, doc"):
        words.setdefault(word, []).append(seq)
    connection.close()
    return words


def test_an_index_that_was_changed_equals_one_that_was_made_at_once(store: Store) -> None:
    with store.draft("default", EMBEDDING) as draft:
        draft.remove(ROOT, "zh.md")
        put(draft, "en.md", "Databases keep nothing.")
        draft.move(ROOT, "fr.md", "moved.md")
        put(draft, "new.md", "A lighthouse.")
        draft.publish()
    changed = index_of(store)
    folder = store._collections / store.collection("default").id / "generations"
    with sqlite3.connect(folder / "2" / "words.db") as connection:
        connection.execute("PRAGMA user_version = 0")  # as if an older version had made it
    connection.close()
    republish(store, folder / "2")
    assert index_of(store) == changed
    assert "lighthous" in changed
    assert "move" in changed
    assert "退款" not in changed
    assert "refund" not in changed


def republish(store: Store, generation: Path) -> None:
    """An ingest that changes nothing, after the manifest was brought in line with the files."""
    manifest = json.loads((generation / "generation.json").read_text())
    words = generation / "words.db"
    if words.exists():
        manifest["files"]["words.db"]["sha256"] = hashlib.sha256(words.read_bytes()).hexdigest()
    else:
        del manifest["files"]["words.db"]
    (generation / "generation.json").write_text(json.dumps(manifest))
    with store.pin("default") as opened:
        assert not opened.has_words
        assert opened.search_words("refunds", 10) == ()
    with store.draft("default", EMBEDDING) as draft:
        assert draft.publish() == int(generation.name) + 1


def test_a_generation_without_words_gets_them_with_the_next_ingest(store: Store) -> None:
    generation = store._collections / store.collection("default").id / "generations" / "1"
    (generation / "words.db").unlink()
    republish(store, generation)
    assert found(store, "refunds") == ["en.md"]
