"""Which texts are computed together."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.embed.batches import batches

LENGTHS = st.lists(st.integers(1, 300), max_size=80)
BUDGETS = st.integers(1, 2000)


def cost(lengths: Sequence[int], batch: Sequence[int]) -> int:
    return max(lengths[number] for number in batch) * len(batch)


@given(LENGTHS, BUDGETS)
def test_each_text_is_computed_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    planned = batches(lengths, budget)
    assert sorted(number for batch in planned for number in batch) == list(range(len(lengths)))
    assert all(cost(lengths, batch) <= budget or len(batch) == 1 for batch in planned)


@given(LENGTHS, BUDGETS)
def test_no_batch_could_take_the_next_text(lengths: list[int], budget: int) -> None:
    planned = batches(lengths, budget)
    for batch, following in pairwise(planned):
        assert cost(lengths, [*batch, following[0]]) > budget
        assert min(lengths[number] for number in batch) >= lengths[following[0]]


@given(LENGTHS, BUDGETS)
def test_a_batch_that_is_planned_again_stays_as_it_is(lengths: list[int], budget: int) -> None:
    for batch in batches(lengths, budget):
        again = batches([lengths[number] for number in batch], budget)
        assert again == (tuple(range(len(batch))),)


def test_texts_of_like_length_stand_together() -> None:
    assert batches([10, 50, 11, 49, 50], 100) == ((1, 4), (3, 2), (0,))
    assert batches([], 100) == ()
