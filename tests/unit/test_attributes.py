"""What documents say of themselves, in front matter or in a file beside them, and filters that ask for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.attributes import front_matter, read_attributes
from ingest.pipeline import Summary, ingest
from rag.embed import FakeEncoder
from rag.library import Library
from rag.retrieve.filter import parse_filter
from rag.settings import IngestSettings
from rag.store import Shelf, Store

FRONT = "---\ntitle: Refunds\nyear: 2026\ntags: [money, en]\n---\n# Returns\n\nMoney comes back.\n"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: text\nb: 2\nc: 2.5\nd: true\ne: null", {"a": "text", "b": 2, "c": 2.5, "d": True}),
        ('{"a": {"b": {"c": 1}}, "l": ["x", 2]}', {"a.b.c": 1, "l.x": True, "l.2": True}),
        ("on: 2026-03-01\nat: 2026-03-01T10:00:00Z", {"on": "2026-03-01", "at": "2026-03-01T10:00:00+00:00"}),
        ("a: .nan\nb: " + "x" * 513 + "\n" + "n" * 65 + ": 1\nc: ok", {"c": "ok"}),
        ("\n".join(f"k{number}: {number}" for number in range(100)), {f"k{number}": number for number in range(64)}),
        ("1: one\n名: 値", {"1": "one", "名": "値"}),
    ],
)
def test_a_mapping_becomes_attributes_that_filters_can_compare(text: str, expected: dict[str, object]) -> None:
    assert read_attributes(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a\n- b", "no YAML mapping"),
        ("just words", "no YAML mapping"),
        ("", "no YAML mapping"),
        ("a: [b", "no YAML: .* in line 1"),
        ("title: One: two", "no YAML: mapping values are not allowed here in line 1"),
        (BOMB, "aliases are not taken"),
        ("a: 2026-02-31", "no YAML: day is out of range"),
        ("a: !!python/object/apply:os.system [ls]", "no YAML: could not determine a constructor"),
        ("[" * 20_000, "nested too deeply|no YAML"),
        ("a: " + "x" * 70_000, "longer than"),
        ("a: \x00", "no YAML"),
    ],
)
def test_what_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_attributes(text)


def test_front_matter_is_what_stands_first_and_names_something() -> None:
    attributes, body = front_matter(FRONT)
    assert attributes == {"title": "Refunds", "year": 2026, "tags.money": True, "tags.en": True}
    assert FRONT[body:].startswith("# Returns")
    assert front_matter("---\nwords between rules\n---\nmore") == ({}, 0)
    assert front_matter("---\ntitle: One: two\n---\nmore") == ({}, len("---\ntitle: One: two\n---\n"))
    assert front_matter("---\n---\nmore") == ({}, len("---\n---\n"))
    assert front_matter("text\n" + FRONT) == ({}, 0)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    opened = Shelf(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refunds.md").write_text(FRONT)
    (folder / "notes.txt").write_text("The office has a red door.\n")
    (folder / "notes.txt.meta.yaml").write_text("year: 2025\ntitle: The door\n")
    (folder / "plain.txt").write_text("Nothing is said of this.\n")
    return folder


@pytest.fixture
def run(store: Store, docs: Path) -> Callable[[], Summary]:
    return lambda: ingest([docs], collection="c", store=store, encoder=FakeEncoder(), settings=IngestSettings())


def matching(store: Store, shelf: Shelf, condition: object) -> set[str]:
    library = Library(store, shelf, lambda: 0.0)
    with store.pin("c") as generation:
        allowed = library.allowed(parse_filter(condition, param="filter"), generation)
        return {chunk.document for chunk in generation.chunks(sorted(allowed or ()))}


def test_filters_ask_for_what_documents_say_of_themselves(store: Store, shelf: Shelf, run) -> None:
    run()
    year = {"type": "gte", "key": "year", "value": 2026}
    assert matching(store, shelf, year) == {"refunds.md"}
    assert matching(store, shelf, {"type": "eq", "key": "tags.money", "value": True}) == {"refunds.md"}
    assert matching(store, shelf, {"type": "ne", "key": "year", "value": 2025}) == {"refunds.md", "plain.txt"}
    with store.pin("c") as generation:
        by_path = {listed.path: listed for listed in generation.files().values()}
        titles = {chunk.document: chunk.title for chunk in generation.ordered_chunks()}
    assert titles == {"refunds.md": "Returns", "notes.txt": "The door", "plain.txt": "plain"}
    # What a client gives stands over what the document says, name by name.
    file_id = by_path["notes.txt"].file_id
    shelf.attachments.set_attributes(store.collection("c").id, file_id, {"year": 2027}, created_at=1)
    assert matching(store, shelf, year) == {"refunds.md", "notes.txt"}
    library = Library(store, shelf, lambda: 0.0)
    assert library.member(store.collection("c"), file_id).attributes == {"year": 2027, "title": "The door"}
    assert library.member(store.collection("c"), by_path["plain.txt"].file_id).attributes is None


def test_front_matter_is_part_of_the_text_and_of_no_chunk(store: Store, docs: Path, run) -> None:
    run()
    with store.pin("c") as generation:
        (chunk,) = (chunk for chunk in generation.ordered_chunks() if chunk.document == "refunds.md")
        assert chunk.text == "# Returns\n\nMoney comes back."
        assert generation.document_text(chunk) == FRONT
        assert FRONT[chunk.start : chunk.end] == chunk.text
        assert (chunk.anchor.heading, chunk.anchor.line) == ("Returns", 6)
    (docs / "only.md").write_text("---\ntitle: Nothing\n---\n\n")
    summary = run()
    assert [(each.path, each.reason) for each in summary.skipped][-1] == (
        "only.md",
        "empty: it has nothing but white space behind its front matter",
    )


def test_another_file_of_attributes_changes_the_document_and_embeds_nothing(
    store: Store, shelf: Shelf, docs: Path, run
) -> None:
    run()
    (docs / "notes.txt.meta.yaml").write_text("title: The door\nyear: 2030\n")
    summary = run()
    assert (summary.changed, summary.unchanged, summary.embedded) == (1, 2, 0)
    assert matching(store, shelf, {"type": "eq", "key": "year", "value": 2030}) == {"notes.txt"}
    (docs / "notes.txt.meta.yaml").unlink()
    assert (run().changed, run().changed) == (1, 0)
    assert matching(store, shelf, {"type": "eq", "key": "year", "value": 2030}) == set()
    (docs / "plain.txt.meta.yaml").write_text("year: 1")
    run()
    for suffix in ("", ".meta.yaml"):
        (docs / f"plain.txt{suffix}").rename(docs / f"moved.txt{suffix}")
    assert (run().moved, run().moved) == (1, 0)
    assert matching(store, shelf, {"type": "eq", "key": "year", "value": 1}) == {"moved.txt"}


@pytest.mark.parametrize("broken", [b"- list", b"\xff", b"a: [", b"x" * 70_000])
def test_a_document_whose_attributes_cannot_be_read_keeps_its_last_good_state(
    store: Store, shelf: Shelf, docs: Path, run, broken: bytes
) -> None:
    run()
    (docs / "notes.txt.meta.yaml").write_bytes(broken)
    (failed,) = run().failed
    assert failed.path == "notes.txt"
    assert failed.reason.startswith("notes.txt.meta.yaml")
    assert matching(store, shelf, {"type": "eq", "key": "year", "value": 2025}) == {"notes.txt"}
