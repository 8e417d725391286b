"""Which engine a prompt goes to: what holds for every choice, and what comes of many."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rag.bench.routing.run import Row, bench_routing
from rag.cli.app import app
from rag.errors import ConfigError
from rag.plan import Candidate, Why, has_room, homes, n_homes, route

MS = st.floats(0, 5000)


def engines(most: int = 8) -> st.SearchStrategy[list[Candidate]]:
    one = st.builds(
        lambda number, fixed, new, queue, running: Candidate(
            name=f"engine-{number}", work_ms=fixed + new, n_new=round(new * 50), new_ms=new, queue_ms=queue,
            n_running=running,
        ),
        st.integers(0, 1000), MS, MS, MS, st.integers(0, 200),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=most, unique_by=lambda each: each.name)


def idle(number: int, *, new_ms: float = 40.0, queue_ms: float = 0.0, n_running: int = 0) -> Candidate:
    return Candidate(
        name=f"engine-{number}",
        work_ms=10 + new_ms,
        n_new=round(new_ms * 50),
        new_ms=new_ms,
        queue_ms=queue_ms,
        n_running=n_running,
    )


@given(st.text(), engines())
def test_nobody_gets_more_than_its_share(key: str, candidates: list[Candidate]) -> None:
    chosen = candidates[route(key, candidates).index]
    assert has_room(chosen.n_running, [each.n_running for each in candidates])


@given(st.text(), engines(), st.randoms(use_true_random=False))
def test_the_order_of_the_engines_does_not_matter(key: str, candidates: list[Candidate], chance: random.Random) -> None:
    shuffled = candidates.copy()
    chance.shuffle(shuffled)
    first, second = route(key, candidates), route(key, shuffled)
    assert (candidates[first.index].name, first.why) == (shuffled[second.index].name, second.why)


@given(st.text(), engines())
def test_what_holds_more_and_has_less_to_do_is_never_passed_over_for_less(
    key: str, candidates: list[Candidate]
) -> None:
    """No other engine is better in every way by more than what counts as equal."""
    chosen = candidates[route(key, candidates).index]
    for other in candidates:
        is_better = other.n_new < chosen.n_new and other.n_running <= chosen.n_running
        assert not (is_better and 1.2 * (other.queue_ms + other.work_ms) < chosen.queue_ms + chosen.work_ms)


@given(st.text(), st.integers(2, 8))
def test_a_new_prefix_goes_home_and_stays_there(key: str, n: int) -> None:
    candidates = [idle(number) for number in range(n)]
    first = route(key, candidates)
    assert first.why is Why.HOME
    assert first.index == homes(key, [each.name for each in candidates])[0]
    candidates[first.index] = idle(first.index, new_ms=1.0, queue_ms=100.0)
    assert route(key, candidates) == type(first)(first.index, Why.HELD)


@given(st.text(), st.integers(2, 8), st.data())
def test_an_engine_that_goes_moves_only_what_was_there(key: str, n: int, data: st.DataObject) -> None:
    names = [f"engine-{number}" for number in range(n)]
    gone = data.draw(st.integers(0, n - 1))
    left = [name for name in names if name != names[gone]]
    order = [names[index] for index in homes(key, names)]
    assert [left[index] for index in homes(key, left)] == [name for name in order if name != names[gone]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(1, 16))
def test_a_prefix_has_as_many_homes_as_its_share_of_questions_needs(shares: list[float], n: int) -> None:
    assert n_homes(1.0, n) >= n / 1.25
    for share in shares:
        assert 1 <= n_homes(share, n) <= n
        assert share / n_homes(share, n) <= 1.25 / n + 1e-9 or n_homes(share, n) == n


def test_new_prefixes_are_spread_evenly() -> None:
    candidates = [idle(number) for number in range(4)]
    found = Counter(route(f"prefix-{number}", candidates).index for number in range(2000))
    assert max(found.values()) < 1.2 * 2000 / 4


def test_a_burst_for_one_new_prefix_fills_its_home_first_and_then_the_second() -> None:
    running, held, whys = [0] * 4, set[int](), list[Why]()
    for _ in range(200):
        candidates = [
            idle(number, new_ms=1.0 if number in held else 400.0, n_running=count)
            for number, count in enumerate(running)
        ]
        found = route("prefix", candidates)
        running[found.index] += 1
        held.add(found.index)
        whys.append(found.why)
    assert whys[0] is Why.HOME
    assert set(whys[1:4]) == {Why.HELD}
    assert whys.count(Why.SPILLED) <= 3  # a copy for each other engine, at most
    assert max(running) <= 1.25 * 50 + 3 * 50**0.5 + 1


def test_who_waits_longer_than_the_prefix_is_worth_goes_elsewhere() -> None:
    home, *others = homes("prefix", ["engine-0", "engine-1", "engine-2"])
    candidates = [idle(number) for number in range(3)]
    candidates[home] = idle(home, new_ms=1.0, queue_ms=300.0)
    assert route("prefix", candidates).index == home
    candidates[home] = idle(home, new_ms=1.0, queue_ms=500.0)
    found = route("prefix", candidates)
    assert (found.index, found.why) == (others[0], Why.SPILLED)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chats whose prompts grow, mixed by chance, and arrivals without blocks, in the forms of the recorded ones."""
    folder = tmp_path_factory.mktemp("sets") / "traces"
    folder.mkdir()
    chance, rows, talks = random.Random(5), [], dict[int, list[int]]()
    at_ms, n_blocks = 0.0, 1
    for _ in range(800):
        at_ms += chance.expovariate(1 / 300)
        ids = talks.setdefault(chance.randrange(60), [0])
        n_new = chance.randint(1, 8)
        ids.extend(range(n_blocks, n_blocks + n_new))
        n_blocks += n_new
        length = len(ids) * 512
        rows.append({"timestamp": int(at_ms), "input_length": length, "output_length": 100, "hash_ids": list(ids)})
        if len(ids) > 60:
            del talks[next(key for key, each in talks.items() if each is ids)]
    plain = [{"t_ms": row["timestamp"], "input_tokens": 700, "output_tokens": 50} for row in rows]
    for name, lines in (("chats", rows), ("plain", plain)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.write("".join(f"{json.dumps(row)}\n" for row in lines))
    return folder


@pytest.mark.parametrize(("trace", "kv_tokens"), [("chats", 1_500_000), ("plain", 400_000)])
def test_several_engines_keep_the_reuse_of_one_and_share_the_work(traces: Path, trace: str, kv_tokens: int) -> None:
    rows = bench_routing(
        traces / f"{trace}.jsonl.gz",
        engines=(2, 4),
        policies=("ours", "round-robin"),
        kv_tokens=kv_tokens,
        load=0.6,
        n_requests=None,
        seed=1,
    )
    by_policy: dict[str, list[Row]] = {}
    for row in rows:
        by_policy.setdefault(row.policy, []).append(row)
    assert by_policy["one engine"][0].hit_ratio > 0.3
    for row in by_policy["ours"]:
        assert row.of_one_engine >= 0.9
        assert row.imbalance < 1.3
    assert all(row.of_one_engine < 0.9 for row in by_policy["round-robin"])


def test_the_command_prints_a_row_for_each_policy_and_number(traces: Path) -> None:
    words = ["bench", "routing", "--data", str(traces.parent), "--trace", "chats", "--n", "200", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["engines"] for row in rows] == [1] + [2] * 5 + [4] * 5
    shown = CliRunner().invoke(app, words[:-1]).stdout
    assert "consistent-hash" in shown


def test_what_is_not_there_is_said(traces: Path) -> None:
    options = {"engines": (2,), "kv_tokens": 10_000, "load": 0.5, "n_requests": 10, "seed": 1}
    with pytest.raises(ConfigError, match="cannot be read"):
        bench_routing(traces / "none.jsonl.gz", policies=("ours",), **options)
    with pytest.raises(ConfigError, match="is unknown"):
        bench_routing(traces / "chats.jsonl.gz", policies=("best",), **options)
