"""What fills an engine's cache, by whose prompts brought it there."""

from hypothesis import given
from hypothesis import strategies as st

from rag.plan import ANSWER, Cleared, Held, Origin, Owner, Removed, Stored, block_chain, runs
from rag.types import Segment

SIZE = 4
RED, BLUE = Owner("group:red", "vs_1"), Owner("group:blue", "vs_1")


def segments(**n_tokens: int) -> list[Segment]:
    return [Segment(name=name, n_tokens=n) for name, n in n_tokens.items()]


def test_a_block_belongs_to_the_segment_in_which_it_ends() -> None:
    of_prompt = list(runs(RED, segments(system=6, shared_prefix=8, tail=1, question=3), SIZE))
    shared = Owner("group:red")
    assert of_prompt == [
        (1, Origin(shared, "system")),
        (3, Origin(RED, "shared_prefix")),
        (3, Origin(RED, "tail")),
        (4, Origin(RED, "question")),
    ]


def test_blocks_are_counted_once_and_leave_with_their_eviction() -> None:
    held = Held(6)
    chain = block_chain(range(16), SIZE, "red")
    held.admit(chain, [(1, Origin(Owner("group:red"), "system")), (4, Origin(RED, "tail"))])
    held.admit(chain, [(1, Origin(Owner("group:red"), "system")), (4, Origin(RED, "history"))])
    assert held.fill() == {Origin(Owner("group:red"), "system"): 1, Origin(RED, "history"): 3}
    held.admit(block_chain(range(100, 116), SIZE, "blue"), [(4, Origin(BLUE, ANSWER))])
    assert held.fill() == {Origin(Owner("group:red"), "system"): 1, Origin(RED, "history"): 1, Origin(BLUE, ANSWER): 4}
    held.clear()
    assert held.fill() == {}


def test_what_events_bring_is_nobodys_until_a_prompt_uses_it_and_what_they_take_is_gone() -> None:
    held = Held(8)
    held.restart()
    held.apply([Stored(hashes=(1, 2, 3), parent=None, token_ids=range(12), salt="red")])
    held.settle()
    assert held.is_live
    assert (len(held), held.fill()) == (3, {})
    held.admit(block_chain(range(8), SIZE, "red"), [(2, Origin(RED, "shared_prefix"))])
    assert held.fill() == {Origin(RED, "shared_prefix"): 2}
    held.apply([Removed((2,))])
    assert held.fill() == {Origin(RED, "shared_prefix"): 1}
    held.apply([Cleared()])
    assert held.fill() == {}


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 40), st.sampled_from([RED, BLUE]), st.integers(0, 12)), max_size=30
    )
)
def test_the_parts_add_up_to_what_is_held(prompts: list[tuple[int, int, Owner, int]]) -> None:
    held = Held(12)
    for first, n_tokens, owner, n_shared in prompts:
        chain = block_chain(range(first, first + n_tokens), SIZE, owner.scope)
        parts = segments(system=min(3, n_tokens), shared_prefix=n_shared)
        held.admit(chain, [*runs(owner, parts, SIZE), (len(chain), Origin(owner, "tail"))])
        assert sum(held.fill().values()) == len(held)
        assert all(n > 0 for n in held.fill().values())
