"""One question's plan: evidence first, then whatever the engine has computed already."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rag.plan import (
    Choice,
    Held,
    Opening,
    Pace,
    Passage,
    Prefix,
    Sequences,
    block_chain,
    fit_pace,
    make_prefix,
    plan_question,
    relevant,
)
from rag.types import Anchor, Chunk, ChunkId, Hit

COST = 100
SYSTEM = 50


def chunk(seq: int) -> Chunk:
    return Chunk(
        id=ChunkId(f"{seq:032}"), seq=seq, document="d.md", title="T", anchor=Anchor(), start=0, end=5, text="words"
    )


def hits(seqs: Sequence[int], *, step: float = 0.01) -> tuple[Hit, ...]:
    return tuple(Hit(chunk=chunk(seq), score=1 - step * rank, rank=rank) for rank, seq in enumerate(seqs, start=1))


def prefix(*seqs: int) -> Prefix:
    return make_prefix(repr(seqs), [Passage(chunk=chunk(seq), n_tokens=COST) for seq in seqs])


def opening(of: Prefix | None, *, cached: bool, weight: float = 1.0) -> Opening:
    n_tokens = SYSTEM + (of.n_tokens if of else 0)
    return Opening(
        prefix=of,
        root=of.version if of else "",
        n_tokens=n_tokens,
        n_cached=n_tokens if cached else SYSTEM,
        is_held=cached,
        missing_weight=weight,
    )


def choose(
    found: Sequence[Hit],
    openings: Sequence[Opening],
    *,
    kept: Sequence[Hit] | None = None,
    budget: int = 100_000,
    sequences: Sequences | None = None,
    held: Held | None = None,
    near_tie: float = 0.0,
) -> Choice:
    return plan_question(
        found,
        found if kept is None else kept,
        [opening(None, cached=True), *openings],
        n_tokens=dict.fromkeys(range(100), COST),
        n_fixed=20,
        budget_tokens=budget,
        pace=Pace(),
        sequences=sequences or Sequences(10),
        held=held or Held(None),
        near_tie=near_tie,
    )


def shown(choice: Choice) -> list[int]:
    before = [c.seq for c in choice.prefix.chunks] if choice.prefix else []
    return before + [c.seq for c in choice.chunks]


seq_lists = st.lists(st.integers(0, 20), unique=True, min_size=1, max_size=8)


@given(seq_lists, st.lists(st.tuples(seq_lists, st.booleans()), max_size=4), st.floats(0, 0.3))
def test_every_kept_hit_is_shown_once_or_replaced_and_nothing_costs_more(
    seqs: list[int], prefixes: list[tuple[list[int], bool]], near_tie: float
) -> None:
    found = hits(seqs)
    openings = [opening(prefix(*members), cached=cached) for members, cached in prefixes]
    choice = choose(found, openings, kept=found[:5], near_tie=near_tie)
    everything = shown(choice)
    assert len(everything) == len(set(everything))
    replaced = {out.chunk.seq for out, _ in choice.replaced}
    assert {hit.chunk.seq for hit in found[:5]} - replaced <= set(everything)
    assert not replaced & {hit.chunk.seq for hit in found[:3]}  # protected
    for out, instead in choice.replaced:
        assert instead.chunk.seq in everything
        assert instead.score >= (1 - near_tie) * out.score
    bare = choose(found, [], kept=found[:5])
    assert choice.expected_ms <= bare.expected_ms * 1.03 + 1e-9  # ties go to what shows more


def test_a_cached_prefix_is_taken_and_a_cold_one_is_not() -> None:
    topic = prefix(*range(8))
    assert choose(hits([3, 4, 30]), [opening(topic, cached=True)]).prefix == topic
    assert choose(hits([3, 4, 30]), [opening(topic, cached=False)]).prefix is None


def test_without_a_warmer_a_cold_prefix_is_computed_for_those_who_follow() -> None:
    whole = prefix(*range(8))
    assert choose(hits([3, 4]), [opening(whole, cached=False, weight=1 / 64)]).prefix == whole


def test_the_best_chunk_is_last_behind_a_prefix_and_without_one() -> None:
    topic = prefix(0, 1, 2)
    assert shown(choose(hits([0, 5, 6, 7]), [opening(topic, cached=True)])) == [0, 1, 2, 7, 6, 5]
    assert shown(choose(hits([5, 6, 7]), [])) == [7, 6, 5]


def test_what_does_not_fit_is_left_out_worst_first() -> None:
    # Half of the room is kept for later turns.
    assert shown(choose(hits([5, 6, 7]), [], budget=2 * 2 * COST)) == [6, 5]


def test_a_near_tied_hit_of_the_prefix_takes_the_place_of_an_uncached_one() -> None:
    found = hits([0, 1, 2, 40, 3])
    topic = opening(prefix(0, 1, 2, 3), cached=True)
    assert choose(found, [topic], kept=found[:4], near_tie=0.05).chunks == ()
    assert [c.seq for c in choose(found, [topic], kept=found[:4]).chunks] == [40]


def test_the_longest_continuation_that_is_held_comes_first() -> None:
    sequences, held = Sequences(10), Held(None)
    chain = block_chain(range(64), 16, "salt")
    held.admit(chain)
    gone = block_chain(range(100, 164), 16, "salt")
    sequences.note("", [5, 6], [COST, COST], [chain[0], chain[1]])
    sequences.note("", [7, 6, 5], [COST, COST, COST], [gone[0], gone[1], gone[2]])
    sequences.note("", [6, 5, 9], [COST, COST, COST], [chain[1], chain[2], chain[3]])
    choice = choose(hits([7, 6, 5]), [], sequences=sequences, held=held)
    assert shown(choice) in ([5, 6, 7], [6, 5, 7])
    assert choice.n_cached == SYSTEM + 2 * COST
    held.clear()
    assert shown(choose(hits([7, 6, 5]), [], sequences=sequences, held=held)) == [5, 6, 7]


@given(st.lists(seq_lists, min_size=1, max_size=30), st.integers(1, 10))
def test_sequences_remember_the_latest_and_forget_the_rest(noted: list[list[int]], capacity: int) -> None:
    sequences = Sequences(capacity)
    for seqs in noted:
        sequences.note("root", seqs, [1] * len(seqs), [None] * len(seqs))
    latest = list(dict.fromkeys(tuple(seqs) for seqs in reversed(noted)))[:capacity]
    assert len(sequences) == len(latest)
    for seqs in latest:
        assert len(sequences.longest_held("root", seqs, Held(None))) == len(seqs)
    assert sequences.longest_held("other", range(21), Held(None)) == ()


@given(st.lists(st.floats(-1, 1), max_size=10), st.floats(0, 1))
def test_what_scores_far_below_the_best_is_noise(scores: list[float], ratio: float) -> None:
    found = [
        Hit(chunk=chunk(rank), score=score, rank=rank) for rank, score in enumerate(sorted(scores, reverse=True), 1)
    ]
    kept = relevant(found, keep_ratio=ratio)
    assert list(kept) == found[: len(kept)]
    assert bool(kept) == bool(found)
    if kept and found[0].score > 0:
        assert all((hit.score >= ratio * found[0].score) == (hit in kept) for hit in found)


def test_a_pace_is_found_again_from_what_it_measures() -> None:
    true = Pace(fixed_ms=40, new_ms=1.5, cached_ms=0.03, attention_ms=1.5 * Pace().attention_ms / Pace().new_ms)
    samples = [(n, c, true.first_token_ms(n, c)) for n, c in ((257, 0), (1, 256), (1025, 0), (1, 1024))]
    found = fit_pace(samples)
    assert abs(found.first_token_ms(600, 4000) - true.first_token_ms(600, 4000)) < 1
    assert fit_pace([(10, 0, 5.0), (1, 9, 9.0), (20, 0, 4.0), (1, 19, 9.0)]).new_ms > 0
