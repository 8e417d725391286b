"""Reuse added up by collection, group, minute and prefix."""

from dataclasses import replace

from rag.ask import Reuse
from rag.tally import MINUTES, Tally
from rag.types import CollectionId, Segment

ONE, TWO = CollectionId("vs_1"), CollectionId("vs_2")
REUSE = Reuse(
    prompt_tokens=100,
    predicted_cached_tokens=64,
    cached_tokens=64,
    segments=((Segment(name="system", n_tokens=20), 20), (Segment(name="shared_prefix", n_tokens=60), 44)),
    miss_reason=None,
    n_replaced=0,
    prefix_version="p1",
)
COLD = replace(REUSE, cached_tokens=0, miss_reason="cold", segments=((Segment(name="shared_prefix", n_tokens=80), 0),))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_019.0

    def __call__(self) -> float:
        return self.now


def test_groups_are_counted_apart_and_together() -> None:
    tally = Tally(Clock())
    tally.add(ONE, "red", COLD)
    tally.add(ONE, "red", REUSE)
    tally.add(ONE, "blue", replace(COLD, miss_reason="other_group"))
    tally.add(TWO, "red", REUSE)

    assert tally.facts(ONE) == {
        "answers": 3,
        "prompt_tokens": 300,
        "cached_tokens": 64,
        "misses": {"cold": 1, "other_group": 1},
    }
    red = tally.sums(ONE, {"red"})
    assert (red.n_answers, red.cached_tokens, dict(red.misses)) == (2, 64, {"cold": 1})
    assert tally.sums(ONE, {"green"}).n_answers == 0
    assert tally.n_answers(TWO) == 1


def test_minutes_are_those_of_the_last_hour_that_had_answers() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.add(ONE, "red", COLD)
    clock.now += 1
    tally.add(ONE, "red", REUSE)
    clock.now += 180
    tally.add(ONE, "blue", REUSE)
    minutes = tally.minutes(ONE)
    assert [(at % 60, each.n_answers) for at, each in minutes.items()] == [(0, 1), (0, 1), (0, 1)]
    assert list(minutes) == sorted(minutes)
    assert sum(each.cached_tokens for each in tally.minutes(ONE, {"red"}).values()) == 64
    clock.now += 60 * MINUTES
    assert tally.minutes(ONE) == {}
    assert tally.n_answers(ONE) == 3


def test_a_prefix_has_its_answers_its_cached_tokens_and_its_age() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.add(ONE, "red", COLD)
    clock.now += 30
    tally.add(ONE, "blue", REUSE)
    tally.add(ONE, "blue", replace(REUSE, prefix_version=""))

    (version, use), *others = tally.prefixes(ONE).items()
    assert (version, others) == ("p1", [])
    assert (use.n_answers, use.cached_tokens, use.last_at - use.first_at) == (2, 44, 30)
    assert tally.prefixes(ONE, {"red"})["p1"].cached_tokens == 0


def test_what_was_not_used_for_long_keeps_its_sums_alone() -> None:
    tally = Tally(Clock())
    tally.add(ONE, "red", REUSE)
    for number in range(300):
        tally.add(CollectionId(f"other {number}"), "red", REUSE)
    assert tally.n_answers(ONE) == 1
    assert tally.minutes(ONE) == {}
    assert tally.prefixes(ONE) == {}
    for number in range(100):
        tally.add(TWO, "red", replace(REUSE, prefix_version=f"p{number}"))
    assert list(tally.prefixes(TWO))[-1] == "p99"
    assert len(tally.prefixes(TWO)) < 100
