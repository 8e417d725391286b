"""Shared prefixes over a real store: frozen, carried over, and made beside the requests where that takes long."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.passages import Passages
from rag.plan import Limits, PrefixSet
from rag.prefixes import Prefixes
from rag.renderer import make_renderer
from rag.settings import PromptSettings, Settings
from rag.store import Store, TokenStore
from rag.types import Hit

TOPICS = Limits(whole_tokens=0, core_tokens=200, held_tokens=0)
WHOLE = Limits(whole_tokens=100_000, core_tokens=200, held_tokens=0)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.md").write_text(f"# Part {number}\n\nPart {number} costs {number * 7} crowns. " * 4)
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, documents: Path) -> Path:
    add(documents, tmp_path / "data")
    return tmp_path / "data"


def add(documents: Path, data_dir: Path) -> None:
    store = Store(data_dir)
    ingest([documents], collection="parts", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    store.close()


@contextmanager
def opened(data_dir: Path, tiny_format: Path, limits: Limits, **options) -> Iterator[tuple[Prefixes, Store]]:
    renderer = make_renderer(str(tiny_format), data_dir, PromptSettings())
    store = Store(data_dir)
    passages = Passages(renderer, TokenStore(data_dir, renderer.tokenizer.fingerprint))
    prefixes = Prefixes(passages, data_dir, limits, **options)
    yield prefixes, store
    prefixes.close()
    passages.close()
    store.close()


def made(data_dir: Path, tiny_format: Path, limits: Limits) -> PrefixSet:
    with opened(data_dir, tiny_format, limits) as (prefixes, store), store.pin("parts") as generation:
        return prefixes.of(generation)


def documents_of(shared: PrefixSet) -> list[list[str]]:
    return [[chunk.document for chunk in prefix.chunks] for prefix in shared.prefixes]


def test_every_chunk_has_its_prefix_and_a_second_service_the_same_ones(data_dir: Path, tiny_format: Path) -> None:
    first = made(data_dir, tiny_format, TOPICS)
    assert len(first.prefixes) > 1
    assert sorted(document for topic in documents_of(first) for document in topic) == [f"{n:02}.md" for n in range(12)]
    again = made(data_dir, tiny_format, Limits(whole_tokens=0, core_tokens=150, held_tokens=0))
    assert again.version == first.version  # frozen: other limits change nothing by themselves


def test_a_changed_document_moves_no_other(data_dir: Path, documents: Path, tiny_format: Path) -> None:
    first = documents_of(made(data_dir, tiny_format, TOPICS))
    (documents / "03.md").write_text("# Part 3\n\nPart 3 is sold out. " * 4)
    add(documents, data_dir)
    second = documents_of(made(data_dir, tiny_format, TOPICS))
    without = [[document for document in topic if document != "03.md"] for topic in first]
    for before, after in zip(without, second, strict=False):
        assert after[: len(before)] == before
    assert sum(topic.count("03.md") for topic in second) == 1


def test_a_small_collection_is_one_prefix_that_grows_at_its_end(
    data_dir: Path, documents: Path, tiny_format: Path
) -> None:
    first = documents_of(made(data_dir, tiny_format, WHOLE))
    assert first == [[f"{n:02}.md" for n in range(12)]]
    (documents / "00a.md").write_text("# Part 0a\n\nPart 0a costs nothing.\n")
    add(documents, data_dir)
    assert documents_of(made(data_dir, tiny_format, WHOLE)) == [[*first[0], "00a.md"]]


def test_damaged_topics_are_made_again(data_dir: Path, tiny_format: Path) -> None:
    first = made(data_dir, tiny_format, TOPICS)
    (file,) = data_dir.glob("collections/*/topics-*.json")
    file.write_text('{"topics": [')
    assert made(data_dir, tiny_format, TOPICS).version == first.version
    file.unlink()
    with opened(data_dir, tiny_format, TOPICS, freezes=False) as (prefixes, store), store.pin("parts") as generation:
        assert prefixes.of(generation).prefixes == ()
    assert not file.exists()


def test_nobody_waits_for_a_large_collection_to_be_cut(data_dir: Path, tiny_format: Path) -> None:
    with opened(data_dir, tiny_format, TOPICS, at_once=5) as (prefixes, store), store.pin("parts") as generation:
        assert prefixes.of(generation).prefixes == ()
        deadline = time.monotonic() + 20
        while not prefixes.of(generation).prefixes:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(prefixes.of(generation).prefixes) > 1


def test_requests_that_come_at_once_get_one_set(data_dir: Path, tiny_format: Path) -> None:
    with opened(data_dir, tiny_format, TOPICS) as (prefixes, store), store.pin("parts") as generation:
        with ThreadPoolExecutor(8) as threads:
            sets = list(threads.map(lambda _: prefixes.of(generation), range(8)))
        assert all(each is sets[0] for each in sets)


def test_the_share_of_a_prefix_is_even_at_first_and_goes_by_questions(data_dir: Path, tiny_format: Path) -> None:
    with opened(data_dir, tiny_format, TOPICS) as (prefixes, store), store.pin("parts") as generation:
        shared = prefixes.of(generation)
        numbers = range(len(shared.prefixes))
        assert {prefixes.share(shared, number) for number in numbers} == {1 / len(numbers)}
        hit = Hit(chunk=shared.prefixes[1].chunks[0], score=1.0, rank=1)
        for _ in range(10 * len(numbers)):
            shared.demand.note([hit], [(1,)])
        assert prefixes.share(shared, 1) > 0.9
        assert sum(prefixes.share(shared, number) for number in numbers) == pytest.approx(1)


def test_the_best_prefix_shows_most(data_dir: Path, tiny_format: Path) -> None:
    shared = made(data_dir, tiny_format, TOPICS)
    large = next(prefix for prefix in shared.prefixes if len(prefix.chunks) > 1)
    small = next(prefix for prefix in reversed(shared.prefixes) if prefix is not large)
    assert shared.best([small.chunks[0], *large.chunks]) is large
    assert shared.best([small.chunks[0]]) is small
    assert shared.best([]) is None
