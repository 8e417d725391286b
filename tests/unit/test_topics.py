"""Topics: every chunk in one, of like size, by meaning; and as they were for as long as that can be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rag.plan import Limits, choose_topics
from rag.plan.demand import Demand
from rag.types import Anchor, Chunk, ChunkId, Hit


def vectors(n: int, *, centres: int = 4) -> np.ndarray:
    chance = np.random.default_rng(n)
    middle = chance.normal(size=(centres, 16))
    rows = middle[np.arange(n) % centres] + 0.1 * chance.normal(size=(n, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


LIMITS = Limits(whole_tokens=300, core_tokens=500, held_tokens=0)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_every_chunk_is_in_one_topic_that_fits(sizes: list[int]) -> None:
    topics = choose_topics((), 0, vectors(len(sizes)), sizes, LIMITS)
    assert sorted(index for topic in topics for index in topic) == list(range(len(sizes)))
    if sum(sizes) <= LIMITS.whole_tokens:
        assert topics == (tuple(range(len(sizes))),)
    else:
        assert all(sum(sizes[index] for index in topic) <= 500 for topic in topics)


def test_topics_follow_the_meaning() -> None:
    rows = vectors(40)
    topics = choose_topics((), 0, rows, [50] * 40, LIMITS)
    assert all(len({index % 4 for index in topic}) == 1 for topic in topics)
    assert topics == choose_topics((), 0, rows, [50] * 40, LIMITS)


def test_room_in_the_cache_widens_topics_by_their_neighbours() -> None:
    rows, sizes = vectors(40), [50] * 40
    wide = Limits(whole_tokens=300, core_tokens=500, held_tokens=3000)  # 1.5 times the collection
    narrow, widened = choose_topics((), 0, rows, sizes, LIMITS), choose_topics((), 0, rows, sizes, wide)
    assert [topic[: len(core)] for topic, core in zip(widened, narrow, strict=True)] == list(narrow)
    assert all(len(core) + 5 == len(topic) for topic, core in zip(widened, narrow, strict=True))
    assert all(len(set(topic)) == len(topic) for topic in widened)


def test_a_change_moves_only_what_stands_behind_it() -> None:
    rows, sizes = vectors(41), [50] * 41
    before = choose_topics((), 0, rows[:40], sizes[:40], LIMITS)
    gone = before[0][-1]
    still = tuple(tuple(index for index in topic if index != gone) for topic in before)
    after = choose_topics(still, 1, rows, sizes, LIMITS)
    assert [topic[: len(old)] for topic, old in zip(after, still, strict=False)] == list(still)
    assert 40 in {index for topic in after for index in topic}


def test_topics_are_cut_anew_when_much_has_changed() -> None:
    rows, sizes = vectors(60), [50] * 60
    before = choose_topics((), 0, rows[:40], sizes[:40], LIMITS)
    assert choose_topics(before, 0, rows, sizes, LIMITS) == choose_topics((), 0, rows, sizes, LIMITS)


def test_a_whole_collection_keeps_its_order_and_grows_at_the_end() -> None:
    limits = Limits(whole_tokens=1000, core_tokens=500, held_tokens=0)
    assert choose_topics(((2, 0, 5, 3, 1, 4),), 0, vectors(7), [50] * 7, limits) == ((2, 0, 5, 3, 1, 4, 6),)


def test_what_is_asked_for_and_what_is_like_it_is_wanted_first() -> None:
    demand = Demand(np.array([[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0]], np.float32))
    assert demand.ranked() == [0, 1, 2]
    chunk = Chunk(id=ChunkId("c"), seq=0, document="d", title="", anchor=Anchor(), start=0, end=1, text="x")
    demand.note([Hit(chunk=chunk, score=0.8, rank=1)], [(2,)])
    assert demand.ranked() == [2, 0, 1]
