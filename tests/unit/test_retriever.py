"""A follow-up question is searched with what it follows."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from rag.embed import Batcher, FakeEncoder
from rag.retrieve import Retriever
from rag.settings import Settings
from rag.store import Store
from rag.types import Hit


@pytest.fixture
def store(tmp_path: Path) -> Store:
    folder = tmp_path / "documents"
    folder.mkdir()
    for word in ("walrus", "badger", "ostrich", "beaver"):
        (folder / f"{word}.md").write_text(f"# {word}\n\nThe {word} eats and sleeps and costs much.\n")
    store = Store(tmp_path / "data")
    ingest([folder], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    return store


def search(store: Store, questions: Sequence[str], *, first: int = 0, min_score: float = 0.0) -> list[tuple[Hit, ...]]:
    async def run() -> list[tuple[Hit, ...]]:
        batcher = Batcher(FakeEncoder(), batch_tokens=1024, max_queue=16)
        with ThreadPoolExecutor(1) as executor, store.pin("default") as generation:
            retriever = Retriever(batcher, executor, min_score=min_score)
            found = await retriever.search(questions, generation, top_k=3, first=first)
        await batcher.close()
        return found

    return asyncio.run(run())


def test_a_follow_up_finds_the_subject_of_the_question_before(store: Store) -> None:
    turns = ["Where is the ostrich?", "And what does it eat?"]
    assert search(store, turns)[1][0].chunk.document == "ostrich.md"


def test_a_question_is_searched_alike_however_far_the_conversation_goes(store: Store) -> None:
    turns = ["Where is the ostrich?", "And what does it eat?", "Does the beaver sleep?"]
    everything = search(store, turns)
    assert everything[:2] == search(store, turns[:2])
    assert everything[1:] == search(store, turns, first=1)
    assert everything[2][0].chunk.document == "beaver.md"


def test_an_empty_question_has_no_hits(store: Store) -> None:
    assert [bool(found) for found in search(store, ["", "Where is the ostrich?", " "])] == [False, True, False]


def test_what_scores_less_than_the_floor_is_not_found(store: Store) -> None:
    (everything,) = search(store, ["Where is the ostrich?"])
    floor = everything[1].score
    assert floor > everything[2].score
    assert search(store, ["Where is the ostrich?"], min_score=floor) == [everything[:2]]
    assert search(store, ["Where is the ostrich?"], min_score=1.0) == [()]
