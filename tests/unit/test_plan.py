"""Planning is a pure function: what fits, in an order that others share, and nothing twice."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ContextTooLong
from rag.plan import (
    Dialogue,
    Held,
    Passage,
    Plan,
    Turn,
    block_chain,
    make_prefix,
    n_earlier_turns,
    plan_conversation,
    plan_turn,
    read_dialogue,
    without_oldest,
)
from rag.types import Anchor, Chunk, ChunkId, Hit, Message


def chunk(seq: int) -> Chunk:
    return Chunk(
        id=ChunkId(f"{seq:032}"),
        seq=seq,
        document=f"d{seq % 3}.md",
        title="T",
        anchor=Anchor(),
        start=seq * 10,
        end=seq * 10 + 5,
        text="words",
    )


def hits(seqs: Sequence[int]) -> tuple[Hit, ...]:
    return tuple(Hit(chunk=chunk(seq), score=1 - rank / 100, rank=rank) for rank, seq in enumerate(seqs, start=1))


seq_lists = st.lists(st.integers(0, 20), unique=True, max_size=10)


@given(
    seq_lists, st.sets(st.integers(0, 20)), st.integers(0, 400), st.lists(st.integers(1, 90), min_size=10, max_size=10)
)
def test_a_turn_adds_what_fits_once_and_by_relevance(
    seqs: list[int], shown: set[int], budget: int, costs: list[int]
) -> None:
    found = hits(seqs)
    n_tokens = costs[: len(found)]
    chunks = plan_turn(found, n_tokens, shown=frozenset(shown), budget_tokens=budget)
    cost = dict(zip(seqs, n_tokens, strict=True))
    taken = [c.seq for c in chunks]
    assert len(set(taken)) == len(taken)
    assert not set(taken) & shown
    assert sum(cost[seq] for seq in taken) <= budget
    # A hit that is neither taken nor shown did not fit beside the better ones.
    left = budget
    for seq in seqs:
        if seq in shown:
            continue
        if seq in taken:
            left -= cost[seq]
        else:
            assert cost[seq] > left


def test_the_best_chunk_stands_next_to_the_question() -> None:
    chunks = plan_turn(hits([4, 2, 7]), [1] * 3, shown=frozenset({2}), budget_tokens=100)
    assert [c.seq for c in chunks] == [7, 4]


def fixed(plan: Plan) -> int:
    return 100 + sum(len(turn.question) + len(turn.answer or "") for turn in plan.turns) + len(plan.application)


def plan(
    dialogue: Dialogue,
    found: list[Sequence[Hit]],
    *,
    capacity: int,
    shared: Sequence[Passage] = (),
    given_turns: Sequence[tuple[Chunk, ...]] = (),
) -> Plan:
    return plan_conversation(
        dialogue,
        prefix=make_prefix("v", shared) if shared else None,
        given=given_turns,
        hits=found,
        n_tokens=dict.fromkeys(range(30), 10),
        capacity_tokens=capacity,
        fixed_tokens=fixed,
    )


@given(st.lists(seq_lists, min_size=2, max_size=5), st.integers(150, 600))
def test_a_later_turn_leaves_earlier_ones_as_they_were(found: list[list[int]], capacity: int) -> None:
    turns = [Turn(f"q{index}", f"a{index}") for index in range(len(found))]
    everything = [hits(seqs) for seqs in found]
    long = plan(Dialogue("", (*turns[:-1], Turn(turns[-1].question))), everything, capacity=capacity)
    short = plan(Dialogue("", (*turns[:-2], Turn(turns[-2].question))), everything[:-1], capacity=capacity)
    for before, after in zip(short.turns, long.turns, strict=False):
        assert before.chunks == after.chunks
    seqs = [c.seq for turn in long.turns for c in turn.chunks]
    assert len(seqs) == len(set(seqs))
    assert fixed(long) + 10 * len(seqs) <= capacity


@given(st.lists(seq_lists, min_size=2, max_size=5), st.integers(200, 600))
def test_what_earlier_turns_showed_is_put_back_as_it_stood(found: list[list[int]], capacity: int) -> None:
    turns = [Turn(f"q{index}", f"a{index}") for index in range(len(found))]
    dialogue = Dialogue("", (*turns[:-1], Turn(turns[-1].question)))
    everything = [hits(seqs) for seqs in found]
    planned = plan(dialogue, everything, capacity=capacity)
    known = [turn.chunks for turn in planned.turns[:-1]]
    assert plan(dialogue, everything[-1:], capacity=capacity, given_turns=known) == planned


def test_the_shared_prefix_is_given_up_before_the_question() -> None:
    shared = [Passage(chunk=chunk(seq), n_tokens=10) for seq in range(5)]
    dialogue = Dialogue("", (Turn("why?"),))
    assert len(plan(dialogue, [()], capacity=160, shared=shared).shared) == 5
    assert plan(dialogue, [()], capacity=120, shared=shared).shared == ()
    with pytest.raises(ContextTooLong) as caught:
        plan(dialogue, [()], capacity=103, shared=shared)
    assert caught.value.param == "messages"
    assert caught.value.code == "context_length_exceeded"


def test_a_history_that_no_longer_fits_is_given_up_before_the_question() -> None:
    dialogue = Dialogue("", (Turn("a?", "b"), Turn("c?")))
    shown = tuple(chunk(seq) for seq in range(6))
    assert plan(dialogue, [hits([9])], capacity=200, given_turns=[shown]).turns[0].chunks == shown
    squeezed = plan(dialogue, [hits([9])], capacity=150, given_turns=[shown])
    assert [turn.chunks for turn in squeezed.turns] == [(), (chunk(9),)]


roles = st.sampled_from(["system", "user", "assistant"])


@given(st.lists(st.builds(Message, roles, st.text(min_size=1, max_size=5)), max_size=8))
def test_a_dialogue_keeps_every_word_and_ends_with_the_user(messages: list[Message]) -> None:
    dialogue = read_dialogue(messages)
    spoken = [m for m in messages if m.role != "system"]
    if not spoken or spoken[-1].role != "user":
        assert dialogue is None
        return
    assert dialogue is not None
    assert dialogue.turns[-1].answer is None
    assert all(turn.answer is not None for turn in dialogue.turns[:-1])
    said = "".join(turn.question + (turn.answer or "") for turn in dialogue.turns)
    assert said.replace("\n\n", "") == "".join(m.content for m in spoken).replace("\n\n", "")
    assert dialogue.application == "\n\n".join(m.content for m in messages if m.role == "system")


def test_the_oldest_turns_go_with_all_that_belongs_to_them() -> None:
    words = [
        ("system", "s1"), ("user", "a"), ("assistant", "call"), ("tool", "gave"), ("assistant", "A"),
        ("user", "b"), ("system", "s2"), ("user", "b2"), ("assistant", "B"), ("user", "c"),
    ]  # fmt: skip
    messages = [Message(role, text) for role, text in words]  # type: ignore[arg-type]
    left = [" ".join(m.content for m in without_oldest(messages, n)) for n in range(n_earlier_turns(messages) + 1)]
    assert left == ["s1 a call gave A b s2 b2 B c", "s1 b s2 b2 B c", "s1 s2 c"]


@given(st.lists(st.builds(Message, roles, st.text(min_size=1, max_size=5)), max_size=12))
def test_without_all_earlier_turns_one_question_is_left(messages: list[Message]) -> None:
    n_earlier = n_earlier_turns(messages)
    assert without_oldest(messages, 0) == tuple(messages)
    dialogue = read_dialogue(without_oldest(messages, n_earlier))
    if dialogue is not None and n_earlier:
        assert [turn.answer for turn in dialogue.turns] == [None]
        assert dialogue.turns[-1] == read_dialogue(messages).turns[-1]  # type: ignore[union-attr]


@given(st.lists(st.integers(0, 50_000), max_size=80), st.integers(1, 9))
def test_a_chain_has_a_name_for_every_full_block(token_ids: list[int], block_size: int) -> None:
    chain = block_chain(token_ids, block_size, "salt")
    assert len(chain) == len(token_ids) // block_size
    assert block_chain([*token_ids, 7], block_size, "salt")[: len(chain)] == chain
    assert not set(chain) & set(block_chain(token_ids, block_size, "other"))
    if chain:
        changed = [token_ids[0] + 1, *token_ids[1:]]
        assert not set(chain) & set(block_chain(changed, block_size, "salt"))


def test_held_matches_leading_blocks_and_drops_the_least_recent() -> None:
    held = Held(4)
    first, second = block_chain(range(16), 4, "a"), block_chain(range(100, 112), 4, "a")
    held.admit(first)
    assert held.match(first) == 4
    assert held.match(block_chain([*range(8), 0, 0, 0, 0], 4, "a")) == 2
    held.admit(second)  # three blocks come in, so of the first only its root stays: its tail goes first
    assert held.match(second) == 3
    assert held.match(first) == 1
    assert len(held) == 4
    held.clear()
    assert held.match(first) == 0
