"""`rag bench planner`: what one plan costs in a large collection, with many sequences remembered."""

import random
import time
import tracemalloc
from dataclasses import asdict, dataclass

import numpy as np

from rag.bench.stats import percentile
from rag.plan import (
    EngineView,
    Held,
    Limits,
    Pace,
    Passage,
    Plan,
    PlannedTurn,
    PrefixSet,
    choose_topics,
    make_prefix,
    make_prefix_set,
)
from rag.planner import Planner
from rag.render import Renderer
from rag.types import Anchor, Chunk, ChunkId, Hit, Tokens

_SEED = 20261122
_DIMENSIONS = 64
_CHUNK_TOKENS = 190
_TOPICS_ASKED = 4  # that the hits of one question are spread over
_HITS = 10
_BLOCK_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerResult:
    """Times of one plan, and what is remembered."""

    n_chunks: int
    n_topics: int
    n_sequences: int
    n_plans: int
    topics_s: float  # to cut the collection, once for each large change of it
    plan_p50_ms: float
    plan_p99_ms: float
    remembered_mib: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_planner(renderer: Renderer, *, n_chunks: int, n_sequences: int, n_plans: int) -> PlannerResult:
    """Plan questions whose hits lie in a few topics, after as many others were remembered."""
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    chunks = [_chunk(seq) for seq in range(n_chunks)]
    tokens: Tokens = tuple(range(1000, 1000 + _CHUNK_TOKENS))
    start = time.perf_counter()
    shared = _topics(chunks, renderer)
    topics_s = time.perf_counter() - start
    planner = Planner(renderer, keep_ratio=0.7, near_tie=0.05, is_warmed=True)
    view = EngineView(held=Held(None), block_size=_BLOCK_SIZE, pace=Pace())
    tracemalloc.start()
    for number in range(n_sequences):
        _remember(planner, renderer, shared, chance, tokens, number)
    remembered = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    times = [_plan_ms(planner, view, shared, _hits(shared, chance)) for _ in range(n_plans)]
    return PlannerResult(
        n_chunks=n_chunks,
        n_topics=len(shared.prefixes),
        n_sequences=n_sequences,
        n_plans=n_plans,
        topics_s=topics_s,
        plan_p50_ms=percentile(times, 0.5),
        plan_p99_ms=percentile(times, 0.99),
        remembered_mib=remembered / 2**20,
    )


def _chunk(seq: int) -> Chunk:
    return Chunk(
        id=ChunkId(f"{seq:032x}"),
        seq=seq,
        document=f"{seq // 20}.md",
        title="",
        anchor=Anchor(),
        start=0,
        end=1,
        text="x",
    )


def _topics(chunks: list[Chunk], renderer: Renderer) -> PrefixSet:
    rows = np.random.default_rng(_SEED).normal(size=(len(chunks), _DIMENSIONS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    limits = Limits(whole_tokens=0, core_tokens=2000, held_tokens=0)
    topics = choose_topics((), 0, rows, [_CHUNK_TOKENS] * len(chunks), limits)
    n_label = len(renderer.label(1))
    prefixes = [
        make_prefix(f"{number}", [Passage(chunk=chunks[i], n_tokens=_CHUNK_TOKENS + n_label) for i in topic])
        for number, topic in enumerate(topics)
    ]
    return make_prefix_set("", prefixes, topics, rows)


def _hits(shared: PrefixSet, chance: random.Random) -> list[Hit]:
    near = [passage.chunk for prefix in chance.sample(shared.prefixes, _TOPICS_ASKED) for passage in prefix.passages]
    found = chance.sample(near, _HITS)
    return [Hit(chunk=chunk, score=0.8 - 0.02 * rank, rank=rank) for rank, chunk in enumerate(found, start=1)]


def _remember(
    planner: Planner, renderer: Renderer, shared: PrefixSet, chance: random.Random, tokens: Tokens, number: int
) -> None:
    prefix = chance.choice(shared.prefixes)
    turn = PlannedTurn(question=f"{number}", chunks=tuple(hit.chunk for hit in _hits(shared, chance)[:5]))
    turn = PlannedTurn(question=turn.question, chunks=tuple(c for c in turn.chunks if c.seq not in prefix.seqs))
    plan = Plan(shared=prefix.chunks, turns=(turn,))
    arrays = {chunk.seq: tokens for chunk in (*prefix.chunks, *turn.chunks)}
    planner.sent(plan, renderer.render(plan, arrays), prefix, salt="bench", block_size=_BLOCK_SIZE)


def _plan_ms(planner: Planner, view: EngineView, shared: PrefixSet, hits: list[Hit]) -> float:
    first = Plan(turns=(PlannedTurn(question="What does it cost?"),))
    n_tokens = dict.fromkeys((hit.chunk.seq for hit in hits), _CHUNK_TOKENS)
    start = time.perf_counter()
    planner.choose(first, hits, shared, view, salt="bench", n_tokens=n_tokens, capacity_tokens=16_000)
    return (time.perf_counter() - start) * 1000
