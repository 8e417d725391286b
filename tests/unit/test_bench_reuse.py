"""The bench of prompt layouts: what it reads, what each arm shows, and what a cache makes of it."""

import asyncio
import gzip
import json
import math
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.bench.reuse.arms import ARMS, OFF, open_arms
from rag.bench.reuse.arrivals import arrival_times_s
from rag.bench.reuse.cost import LLAMA_8B_ON_H200
from rag.bench.reuse.ground import Ground, fitted
from rag.bench.reuse.live import replay
from rag.bench.reuse.pilot import why_left_out
from rag.bench.reuse.prepare import Bench, Options
from rag.bench.reuse.rate import highest_rate
from rag.bench.reuse.report import rate_table, ratios, summarize, table
from rag.bench.reuse.run import Rate, find_rates, run_rounds
from rag.bench.reuse.sample import Run, Sample
from rag.bench.reuse.sets import read_set
from rag.bench.reuse.simulate import simulate
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.reuse.weaver import PrefixTree
from rag.bench.reuse.workload import Request, Workload, make_workload
from rag.cli.frame import run as rag
from rag.embed import FakeEncoder
from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.errors import ConfigError, EngineError
from rag.plan import Dialogue, Held, Pace, Turn
from rag.render import Renderer
from rag.renderer import make_renderer
from rag.settings import EmbeddingSettings, PromptSettings
from rag.types import Anchor, Chunk, ChunkId, Hit

# Their first letters differ, so two prompts part at the first token of a passage.
NAMES = ("apple", "berry", "cedar", "dune", "elm", "fern")
INSTALLED = Path(__file__).parents[2] / "data" / "bench"  # where `make bench-arms` puts what is compared with


def chunk(seq: int) -> Chunk:
    name = NAMES[seq]
    text = f"{name} stands here. " * (3 + seq)
    return Chunk(
        id=ChunkId(name), seq=seq, document=name, title=name, anchor=Anchor(heading=name), start=0, end=9, text=text
    )


CHUNKS = tuple(chunk(seq) for seq in range(len(NAMES)))


def hits(seqs: Sequence[int], scores: Sequence[float] | None = None) -> tuple[Hit, ...]:
    values = scores or [0.9 - rank / 10 for rank in range(len(seqs))]
    pairs = enumerate(zip(seqs, values, strict=True), start=1)
    return tuple(Hit(chunk=CHUNKS[seq], score=score, rank=rank) for rank, (seq, score) in pairs)


def request(seqs: Sequence[int], *, gold: Sequence[int] = (), question: str = "Where?", **more: object) -> Request:
    return Request(dialogue=Dialogue("", (Turn(question),)), hits=(hits(seqs),), gold=frozenset(gold), **more)


def workload(*requests: Request) -> Workload:
    return Workload(name="made up", chunks=CHUNKS, vectors=np.eye(6, 8, dtype=np.float32), requests=requests)


@pytest.fixture(scope="module")
def renderer(tiny_format: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return make_renderer(str(tiny_format), tmp_path_factory.mktemp("data"), PromptSettings())


@pytest.fixture(scope="module")
def ground(renderer: Renderer) -> Ground:
    return Ground(
        chunks=CHUNKS,
        vectors=np.eye(6, 8, dtype=np.float32),
        tokens={each.seq: renderer.passage(each) for each in CHUNKS},
        renderer=renderer,
        salt="test",
        held=lambda: Held(None),
        pace=Pace(),
        block_size=1,
        kv_tokens=None,
        window_tokens=None,
        answer_tokens=2,
        cut=0.75,
        seed=5,
        arms_dir=INSTALLED,
    )


def cached(arm: str, work: Workload, ground: Ground) -> list[int | None]:
    return [sample.cached_tokens for sample in simulate(arm, work, ground, round_number=1).samples]


# What is replayed.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "sets"
    write(folder / "trees" / "corpus.jsonl", [{"_id": f"{n}#0", "title": n, "text": f"The {n} is old."} for n in NAMES])
    write(folder / "trees" / "queries.jsonl", [{"_id": f"q{n}", "text": f"How old is the {n}?"} for n in NAMES])
    lines = ["query-id\tcorpus-id\tscore", *(f"q{n}\t{n}#0\t1" for n in NAMES[1:]), f"q{NAMES[0]}\telm#0\t0"]
    (folder / "trees" / "qrels.tsv").write_text("\n".join(lines))
    passages = [
        {"_id": f"p{n}", "domain": "sea" if n < 2 else "sky", "title": "", "text": f"Fact {n}."} for n in (0, 1, 2)
    ]
    write(folder / "talks" / "passages.jsonl.gz", passages)
    write(
        folder / "talks" / "conversations.jsonl.gz", [talk(name, n) for name in "ab" for n in (2, 1)] + [talk("c", 4)]
    )
    write(folder / "traces" / "slow.jsonl.gz", [{"t_ms": 500 * number} for number in (3, 4, 6)])
    return folder


def talk(name: str, turn: int) -> dict[str, object]:
    messages = []
    for number in range(1, turn + 1):
        messages += [{"role": "user", "text": f"{name}{number}?"}, {"role": "assistant", "text": f"{name}{number}!"}]
    return {
        "conversation_id": name,
        "turn": turn,
        "domain": "sea" if name == "a" else "sky",
        "messages": messages[:-1],
        "passage_ids": ["p0", "gone"],
    }


def write(file: Path, rows: list[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, rows))
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def files(folder: Path) -> VectorFiles:
    return VectorFiles(folder, EmbeddingSettings(), FakeEncoder)


def test_a_set_is_read_with_its_judgements_and_distractors(data: Path) -> None:
    found = read_set("trees+talks-sea", data)
    assert [each.seq for each in found.chunks] == list(range(8))
    assert [each.title for each in found.chunks] == [*NAMES, "p0", "p1"]
    assert [each.gold for each in found.questions] == [frozenset(), *({seq} for seq in range(1, 6))]


def test_only_conversations_with_all_their_turns_are_replayed(data: Path) -> None:
    found = read_set("talks", data)
    assert [(each.conversation, len(each.dialogue.turns)) for each in found.questions] == [
        ("a", 1), ("a", 2), ("b", 1), ("b", 2),
    ]  # fmt: skip
    assert found.questions[1].dialogue.turns == (Turn("a1?", "a1!"), Turn("a2?"))
    assert found.questions[1].gold == {0}
    assert {each.conversation for each in read_set("talks-sky", data).questions} == {"b"}


@pytest.mark.parametrize(
    ("name", "words"), [("roots", "There are: talks, trees"), ("traces", "no corpus"), ("talks-none", "0 passages")]
)
def test_a_set_that_is_none_is_refused(data: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_set(name, data)


def test_equal_seeds_give_equal_workloads_and_each_question_comes_once(data: Path, tmp_path: Path) -> None:
    def made(seed: int, order: str = "once", n: int = 6, groups: int = 2) -> list[Request]:
        found = read_set("trees", data)
        work = make_workload(
            found, files(tmp_path / "v"), order=order, n_requests=n, top_k=3, n_groups=groups, seed=seed
        )
        return list(work.requests)

    assert made(1) == made(1) != made(2)
    assert len({each.dialogue for each in made(1)}) == 6
    assert all(list(each.gold) == [each.hits[0][0].chunk.seq] for each in made(1) if each.gold)
    assert len({each.dialogue for each in made(1, "zipf:1.5", 200)}) < len({each.dialogue for each in made(1, n=6)}) + 1
    assert {each.group for each in made(1, "zipf:0", 50, groups=3)} == {0, 1, 2}
    seen = [hit.chunk.seq for each in made(1, "none", 9) for hit in each.hits[0]]
    assert len(seen) == len(set(seen)) == 27
    for order, n in (("once", 7), ("zipf", 3), ("often", 3)):
        with pytest.raises(ConfigError):
            made(1, order, n)


def test_turns_of_a_conversation_keep_their_order_and_their_group(data: Path, tmp_path: Path) -> None:
    found = read_set("talks", data)
    for seed in range(8):
        work = make_workload(found, files(tmp_path), order="once", n_requests=4, top_k=2, n_groups=9, seed=seed)
        for index, each in enumerate(work.requests):
            assert len(each.hits) == len(each.dialogue.turns)
            if len(each.dialogue.turns) == 2:
                before = work.requests[each.after]
                assert each.after < index
                assert (before.group, before.dialogue.turns[0].question) == (
                    each.group,
                    each.dialogue.turns[0].question,
                )
    with pytest.raises(ConfigError, match="once, in their order"):
        make_workload(found, files(tmp_path), order="zipf:1", n_requests=4, top_k=2, n_groups=1, seed=1)


def test_vectors_are_made_once(data: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    for _ in range(2):
        found = VectorFiles(tmp_path, EmbeddingSettings(), lambda: encoder).documents(CHUNKS)
        assert found.shape == (6, 64)
        assert encoder.n_encoded == 6


def test_arrivals_follow_the_rate_or_the_trace(data: Path) -> None:
    traces = data / "traces"
    assert arrival_times_s("sequential", 3, traces=traces, seed=1) is None
    assert arrival_times_s("burst", 3, traces=traces, seed=1) == (0, 0, 0)
    times = arrival_times_s("20", 4000, traces=traces, seed=1)
    assert list(times) == sorted(times)
    assert times[-1] == pytest.approx(200, rel=0.1)
    assert arrival_times_s("trace:slow", 3, traces=traces, seed=1) == (0, 0.5, 1.5)
    assert arrival_times_s("trace:slow@6", 3, traces=traces, seed=1) == pytest.approx((0, 1 / 6, 0.5))
    for rate in ("0", "-1", "soon", "inf", "trace:none"):
        with pytest.raises(ConfigError):
            arrival_times_s(rate, 3, traces=traces, seed=1)
    with pytest.raises(ConfigError, match="3 arrivals, fewer than 4"):
        arrival_times_s("trace:slow", 4, traces=traces, seed=1)


# What the arms show.


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_shows_only_what_is_in_the_corpus_and_nothing_twice(arm: str, ground: Ground) -> None:
    if arm == "contextpilot" and why_left_out(INSTALLED):
        pytest.skip(why_left_out(INSTALLED))
    chance = random.Random(3)
    orders = [chance.sample(range(6), chance.randint(1, 6)) for _ in range(40)]
    work = workload(*(request(order) for order in orders))
    with ExitStack() as stack:
        (planner,) = open_arms(arm, work, ground, stack).values()
        for order, each in zip(orders, work.requests, strict=True):
            plan = planner.plan(each.dialogue, each.hits)
            planner.served(plan)
            shown = [chunk.seq for chunk in (*plan.shared, *plan.turns[-1].chunks)]
            assert len(shown) == len(set(shown))
            if not arm.startswith("ours"):
                assert set(shown) == set(order) if "cut" not in arm else set(shown) <= set(order)


def test_what_scores_far_below_the_best_is_cut(ground: Ground) -> None:
    each = replace(request([0]), hits=(hits([3, 1, 2], [0.8, 0.61, 0.59]),))
    with ExitStack() as stack:
        shown = {
            name: open_arms(name, workload(each), ground, stack)[0].plan(each.dialogue, each.hits).turns[0].chunks
            for name in ("retrieval", "retrieval-cut", "document", "cacheweaver-cut")
        }
    assert [chunk.seq for chunk in shown["retrieval"]] == [3, 1, 2]
    assert [chunk.seq for chunk in shown["retrieval-cut"]] == [3, 1]
    assert [chunk.seq for chunk in shown["document"]] == [1, 2, 3]
    assert [chunk.seq for chunk in shown["cacheweaver-cut"]] == [3, 1]


def test_earlier_turns_are_bare_text(ground: Ground) -> None:
    dialogue = Dialogue("", (Turn("One?", "Two."), Turn("Three?")))
    each = Request(dialogue=dialogue, hits=(hits([0]), hits([1])), gold=frozenset())
    with ExitStack() as stack:
        plan = open_arms("retrieval", workload(each), ground, stack)[0].plan(dialogue, each.hits)
    assert [(turn.question, turn.answer, [c.seq for c in turn.chunks]) for turn in plan.turns] == [
        ("One?", "Two.", []),
        ("Three?", None, [1]),
    ]


def test_the_tree_of_served_sequences_forgets_what_has_no_room() -> None:
    tree = PrefixTree(lambda _: 10, capacity_tokens=50)
    a, b, c, d, e, f = CHUNKS
    tree.insert([a, b, c])
    assert tree.walk([c, b, a]) == [a, b, c]
    tree.insert([a, d])  # 40 tokens: `a` counts once
    assert tree.walk([d, e, a]) == [a, d, e]
    tree.insert([e, f])  # 60 tokens: the first request goes, what the second shares with it stays
    assert tree.walk([b, a]) == [a, b]
    assert tree.walk([c, b, a]) == [a, c, b]
    assert tree.walk([f, e]) == [e, f]


def test_contextpilot_orders_the_same_ids_in_its_own_process(ground: Ground) -> None:
    if why_left_out(INSTALLED):
        pytest.skip(why_left_out(INSTALLED))
    work = workload(request([0, 1, 2]), request([4, 1, 0]))
    with ExitStack() as stack:
        arm = open_arms("contextpilot", work, ground, stack)[0]
        first, second = (arm.plan(each.dialogue, each.hits).turns[0].chunks for each in work.requests)
    assert [chunk.seq for chunk in first] == [0, 1, 2]
    assert {chunk.seq for chunk in second[:2]} == {0, 1}  # what both have comes first


# What a cache makes of it. Blocks of one token, so that every shared token counts.


def test_cached_tokens_are_those_of_the_common_beginning(ground: Ground) -> None:
    work = workload(request([1, 2, 3]), request([2, 1, 4]), request([1, 4, 2]))
    prompt = ground.prompt
    with ExitStack() as stack:
        plan = open_arms("retrieval", work, ground, stack)[0].plan(work.requests[0].dialogue, work.requests[0].hits)
    system = prompt(plan).segments[0].n_tokens
    label = [len(ground.renderer.label(number)) for number in (1, 2, 3)]
    size = {seq: len(ground.tokens[seq]) for seq in range(6)}

    assert cached(OFF, work, ground) == [0, 0, 0]
    # 1,2,3 then 2,1,4: nothing but the system text and the first label. Then 1,4,2: passage 1 as well.
    assert cached("retrieval", work, ground) == [0, system + label[0], system + label[0] + size[1] + label[1]]
    # 1,2,3 then 1,2,4, then 1,2,4 again: the whole prompt but its last token.
    third = system + sum(label) + size[1] + size[2] + size[4] + n_behind(ground)
    assert cached("cacheweaver", work, ground) == [0, system + sum(label) + size[1] + size[2], third - 1]


def n_behind(ground: Ground) -> int:
    """Tokens of the question and of the markup behind it."""
    with ExitStack() as stack:
        each = request([0])
        plan = open_arms("retrieval", workload(each), ground, stack)[0].plan(each.dialogue, each.hits)
    return next(segment.n_tokens for segment in ground.prompt(plan).segments if segment.name == "question")


def test_a_small_cache_forgets_the_least_recently_used(ground: Ground) -> None:
    work = workload(request([1, 2]), request([1, 2]), request([3, 4]), request([5, 0]), request([1, 2]))
    ample = cached("retrieval", work, ground)
    size = simulate("retrieval", work, ground, round_number=1).samples[0].prompt_tokens
    small = cached("retrieval", work, replace(ground, kv_tokens=size + 40))
    assert ample[1] == small[1] == size - 1
    assert ample[4] == size - 1
    assert 0 < small[4] < size - 1  # the system text, which every prompt begins with, is never the oldest


def test_groups_share_nothing(ground: Ground) -> None:
    work = workload(request([1, 2]), request([1, 2], group=1), request([1, 2]))
    assert [bool(n) for n in cached("retrieval", work, ground)] == [False, False, True]
    assert [bool(n) for n in cached("cacheweaver", work, ground)] == [False, False, True]


def test_the_cost_model_is_what_was_measured() -> None:
    for n_tokens, cold_ms, warm_ms in ((1024, 30, 13), (4096, 97, 15), (8192, 211, 17), (15000, 428, 22)):
        assert LLAMA_8B_ON_H200.first_token_ms(n_tokens, 0) == pytest.approx(cold_ms, rel=0.11)
        assert LLAMA_8B_ON_H200.first_token_ms(0, n_tokens) == pytest.approx(warm_ms, rel=0.03)


def test_no_prompt_is_longer_than_the_window(ground: Ground) -> None:
    each = request([5, 4, 3, 2, 1, 0])
    whole = simulate("retrieval", workload(each), ground, round_number=1).samples[0].prompt_tokens
    narrow = replace(ground, window_tokens=whole - 20)
    work = fitted(workload(each), narrow)
    assert 0 < len(work.requests[0].hits[0]) < 6
    sample = simulate("retrieval", work, narrow, round_number=1).samples[0]
    assert sample.prompt_tokens + ground.answer_tokens <= whole - 20
    with pytest.raises(ConfigError, match="do not fit the window"):
        fitted(workload(each), replace(ground, window_tokens=60))


# On an engine.


def options(tmp_path: Path, **more: object) -> Options:
    given = {
        "data": tmp_path, "set_name": "made up", "arms": ("retrieval",), "order": "once", "n_requests": 3,
        "most_requests": 3, "n_groups": 1, "top_k": 3, "cut": 0.75, "seed": 1, "rounds": 2, "rate": "sequential",
        "kv_tokens": (None,), "answer_tokens": 2, "cache": INSTALLED,
    }  # fmt: skip
    return Options(**given | more)


def engine(**more: object) -> FakeEngine:
    info = EngineInfo(model="fake", source="fake", window_tokens=4096, block_size=16, kv_tokens=65536)
    return FakeEngine(lambda _: "some words", info=info, **more)


async def started(fake: FakeEngine) -> EnginePool:
    pool = EnginePool([Slot(engine=fake)])
    await pool.start()
    return pool


@pytest.mark.parametrize("rate", ["sequential", "burst", "500"])
def test_every_round_runs_every_arm_under_salts_of_its_own(ground: Ground, tmp_path: Path, rate: str) -> None:
    work = workload(request([1, 2, 3], gold=[2, 5]), request([2, 1, 4], group=1), request([1, 2, 3], after=0))
    names = (OFF, "retrieval", "cacheweaver")
    fake = engine(uncached_token_s=1e-4)  # long enough that a turn which does not wait finds nothing

    async def main() -> list[Run]:
        pool = await started(fake)
        fake.salts.clear()  # of probes
        asked = options(tmp_path, rate=rate)
        bench = Bench(options=asked, workload=work, arms=names, left_out={})
        return await run_rounds(bench, work, replace(ground, block_size=16), pool, say=lambda _: None)

    runs = asyncio.run(main())
    assert [(run.round, run.arm) for run in runs] == [*((1, name) for name in names), *((2, n) for n in names[::-1])]
    for run in runs:
        first, _, last = run.samples
        assert [sample.request for sample in run.samples] == [0, 1, 2]
        assert (first.n_gold, first.n_shown_gold) == (2, 1)
        assert all(sample.predicted_tokens == sample.cached_tokens for sample in run.samples)
        assert first.cached_tokens == 0
        assert last.cached_tokens == (0 if run.arm == OFF else (last.prompt_tokens - 1) // 16 * 16)
        assert run.counted_tokens is None  # the fake counts nothing
    assert len(set(fake.salts)) == 2 * (3 + 2 + 2)  # off: one a request, the others: one a group


def test_an_engine_that_fails_ends_the_run(ground: Ground) -> None:
    async def main() -> None:
        pool = await started(engine())
        pool.slots[0].engine = engine(fail_after=0)
        await replay("retrieval", workload(request([0]), request([1])), ground, pool, times_s=(0.0, 0.0))

    with pytest.raises(EngineError, match="told to fail"):
        asyncio.run(main())


def highest(p95_ms: Callable[[float, int], float], limit_ms: float) -> float:
    """The rate that is found when the run number `n` at a rate has the given p95."""
    tried: list[float] = []

    async def measure(per_s: float) -> float:
        tried.append(per_s)
        return p95_ms(per_s, tried.count(per_s))

    rate = asyncio.run(highest_rate(measure, limit_ms=limit_ms, most_per_s=100))
    assert len(tried) < 30
    return rate


def test_the_highest_rate_is_found_by_doubling_and_bisection() -> None:
    for limit_ms, per_s in ((10.6, 10.5), (1, 1), (0.3, 0.296875), (0.01, 0), (99, 97.75), (100, 100), (math.inf, 100)):
        assert highest(lambda rate, _: rate, limit_ms) == per_s


def test_one_stall_of_the_machine_does_not_decide() -> None:
    assert highest(lambda rate, n: 10**6 if rate == 8 and n == 1 else rate, 10.6) == 10.5


def test_a_rate_is_looked_for_on_an_engine(ground: Ground, tmp_path: Path) -> None:
    work, said = workload(request([0])), list[str]()
    soon = options(tmp_path, seed=138)  # its first request arrives after 15 ms

    async def main() -> list[Rate]:
        pool = await started(engine())
        bench = Bench(options=soon, workload=work, arms=("random",), left_out={})
        return await find_rates(bench, work, ground, pool, limit_ms=math.inf, say=said.append)

    (rate,) = asyncio.run(main())
    # One request in ten seconds is the most that one can stand for.
    assert rate == Rate(arm="random", kv_tokens=None, per_s=0.1, most_per_s=0.1, limit_ms=math.inf)
    assert len(said) == 1
    assert "or more" in rate_table([rate])[1]


# What is said of it.


def run_of(arm: str, times_ms: Sequence[float], cached_tokens: int | None, warm_tokens: int = 0) -> Run:
    samples = tuple(
        Sample(
            request=index,
            prompt_tokens=100,
            cached_tokens=cached_tokens,
            predicted_tokens=40,
            first_token_ms=time_ms,
            plan_ms=1.0,
            n_gold=2 * (index % 2),
            n_shown_gold=index % 2,
        )
        for index, time_ms in enumerate(times_ms)
    )
    return Run(arm=arm, round=1, kv_tokens=640, block_size=16, warm_tokens=warm_tokens, samples=samples)


def test_a_summary_has_all_rounds_and_the_ratio_to_retrieval() -> None:
    runs = [run_of("retrieval", [10, 30], 20), run_of("random", [5, 5], 60, 40), run_of("retrieval", [20, 40], 20)]
    summaries = summarize(runs)
    base, other = summaries
    assert (base.arm, base.n_requests, base.first_token_mean_ms, base.first_token_p50_ms) == ("retrieval", 4, 25, 25)
    assert (base.uncached_tokens_mean, base.hit_ratio, base.gold_shown, base.gold_all_shown) == (80, 0.2, 0.5, 0)
    assert (base.prediction_error_tokens, base.predicted_in_a_block) == (20, 0)
    assert (other.uncached_tokens_mean, other.computed_tokens_mean) == (40, 60)
    assert ratios(other, summaries)["retrieval"]["first_token_mean"] == 5
    assert ratios(other, summaries)["retrieval"]["uncached_tokens"] == 0.5
    assert "5.00x" in next(line for line in table(summaries) if line.startswith("random"))


def test_an_engine_that_reports_nothing_is_not_taken_for_one_that_caches_nothing() -> None:
    (summary,) = summarize([run_of("retrieval", [10, 30], None)])
    assert (summary.hit_ratio, summary.uncached_tokens_mean, summary.predicted_in_a_block) == (None, None, None)
    assert " - " in table([summary])[2]


# The command.


@pytest.fixture
def words(data: Path, tiny_format: Path, tmp_path: Path) -> list[str]:
    """The command over the made-up set, with vectors that lie there already: no embedding model is loaded."""
    found = read_set("trees", data)
    make_workload(found, files(tmp_path / "v"), order="once", n_requests=6, top_k=4, n_groups=1, seed=1)
    given = {
        "--data": data,
        "--set": "trees",
        "--model": tiny_format,
        "--cache": tmp_path / "v",
        "--data-dir": tmp_path,
    }
    return ["bench", "reuse", *(str(word) for pair in given.items() for word in pair), "--top-k", "4", "--simulate"]


def test_the_command_simulates_and_names_what_it_left_out(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    more = ["--arms", "retrieval,contextpilot,cacheweaver", "--kv-tokens", "500,50000", "--out", str(out), "--json"]
    assert rag([*words, *more]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    assert [(each["arm"], each["kv_tokens"]) for each in printed["summaries"]] == [
        ("retrieval", 500), ("cacheweaver", 500), ("retrieval", 50000), ("cacheweaver", 50000),
    ]  # fmt: skip
    assert "make bench-arms" in printed["left_out"]["contextpilot"]
    assert len(printed["runs"][0]["samples"]["cached_tokens"]) == 6
    assert printed["summaries"][0]["gold_shown"] == 1

    assert rag([*words, *more[:-1]]) == 0
    text = capsys.readouterr().out
    assert "KV cache 500 tokens" in text
    assert "left out: contextpilot" in text


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--arms", "magic"], "unknown"),
        (["--arms", "off,off"], "named twice"),
        (["--arms", "contextpilot"], "No arm is left"),
        (["--set", "roots"], "not in"),
        (["--data", "/nowhere"], "does not exist"),
        (["--n", "7"], "more than the 6 questions"),
        (["--order", "zipf:x"], "no exponent"),
        (["--rate", "8"], "one request after the other"),
        (["--kv-tokens", "many"], "whole numbers"),
        (["--out", "/nowhere/x.json"], "does not exist"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    words: list[str], more: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rag([*words, *more]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert problem in said[-1]
    assert "Traceback" not in said[-1]


def test_the_help_names_every_arm(capsys: pytest.CaptureFixture[str]) -> None:
    assert rag(["bench", "reuse", "--help"]) == 0
    text = "".join(capsys.readouterr().out.split())
    assert [arm for arm in ARMS if arm not in text] == []
