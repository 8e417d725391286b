"""`rag bench reuse`: every arm, every size of the cache, every round."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from rag.bench.reuse.arrivals import SEQUENTIAL
from rag.bench.reuse.engine import make_pool
from rag.bench.reuse.ground import Ground, fitted
from rag.bench.reuse.live import replay, warm_up
from rag.bench.reuse.prepare import Bench, Options, prepare
from rag.bench.reuse.rate import highest_rate
from rag.bench.reuse.sample import Run
from rag.bench.reuse.simulate import simulate
from rag.bench.reuse.workload import Workload
from rag.bench.stats import percentile
from rag.engine import EnginePool
from rag.errors import ConfigError
from rag.renderer import default_sampling, make_renderer
from rag.settings import Settings

_BLOCK_SIZE = 16  # vLLM's own choice on a GPU, where the cost model was measured
_LEAST_S = 10.0  # of arrivals in a run that stands for a rate
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The highest rate at which an arm's first tokens came soon enough."""

    arm: str
    kv_tokens: int | None
    per_s: float
    most_per_s: float  # that was tried; the rate itself may be higher where both are equal
    limit_ms: float  # of p95


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was run, what could not be, and over what."""

    workload: str
    n_chunks: int
    corpus_tokens: int
    runs: tuple[Run, ...]
    rates: tuple[Rate, ...]
    left_out: dict[str, str]  # arm: why


def bench_reuse(options: Options, settings: Settings, *, is_simulated: bool, say: Say) -> Result:
    """The result of every arm with every size of the cache.

    say: told of each step that is done.

    Raises:
        ConfigError: an option is wrong, or two do not go together.
        EngineError: an engine did not start, or failed a request.
    """
    if is_simulated and (options.rate != SEQUENTIAL or options.limit_ms or settings.engine.urls):
        raise ConfigError(
            "A simulated engine takes one request after the other, and there is no other. Leave out --rate, "
            "--find-rate and --engine-url, or --simulate."
        )
    bench = prepare(options, settings)
    return _simulated(bench, settings, say) if is_simulated else asyncio.run(_live(bench, settings, say))


def _simulated(bench: Bench, settings: Settings, say: Say) -> Result:
    renderer = make_renderer(settings.engine.model, settings.data_dir, settings.prompt)
    ground = bench.ground(renderer, block_size=settings.engine.block_size or _BLOCK_SIZE, window_tokens=None)
    runs = []
    for kv_tokens in bench.options.kv_tokens:
        for number in range(1, bench.options.rounds + 1):
            here = replace(ground, kv_tokens=kv_tokens, seed=ground.seed + number)
            for arm in bench.order(number):
                runs.append(simulate(arm, bench.workload, here, round_number=number))
                say(f"{arm}: {len(bench.workload.requests)} requests simulated")
    return _result(bench, ground, runs, [])


async def _live(bench: Bench, settings: Settings, say: Say) -> Result:
    runs: list[Run] = []
    rates: list[Rate] = []
    for kv_tokens in bench.options.kv_tokens:
        pool = make_pool(settings, kv_tokens)
        try:
            info = await pool.start()
            say(f"{info.model}: ready, {info.kv_tokens} tokens of cache")
            # A running engine says itself which model it serves; its weights may have another path there than here.
            source = info.source if settings.engine.urls else settings.engine.model
            renderer = await asyncio.to_thread(make_renderer, source, settings.data_dir, settings.prompt)
            defaults = await asyncio.to_thread(default_sampling, source, settings.data_dir)
            pool.learn(renderer.tokenizer.backend, defaults)
            ground = bench.ground(renderer, block_size=info.block_size, window_tokens=info.window_tokens)
            ground = replace(ground, kv_tokens=info.kv_tokens)
            workload = fitted(bench.workload, ground)
            await warm_up(workload, ground, pool)
            if bench.options.limit_ms:
                rates += await find_rates(bench, workload, ground, pool, limit_ms=bench.options.limit_ms, say=say)
            else:
                runs += await run_rounds(bench, workload, ground, pool, say=say)
        finally:
            await pool.close()
    return _result(bench, ground, runs, rates)


async def run_rounds(bench: Bench, workload: Workload, ground: Ground, pool: EnginePool, *, say: Say) -> list[Run]:
    """A run of each arm in each round, on an engine that is ready."""
    runs = []
    for number in range(1, bench.options.rounds + 1):
        times_s = bench.times_s(bench.options.rate, number)
        for arm in bench.order(number):
            here = replace(ground, seed=ground.seed + number)
            runs.append(await replay(arm, workload, here, pool, times_s=times_s, round_number=number))
            say(f"round {number}, {arm}: {len(workload.requests)} requests")
    return runs


async def find_rates(
    bench: Bench, workload: Workload, ground: Ground, pool: EnginePool, *, limit_ms: float, say: Say
) -> list[Rate]:
    """The highest rate of each arm, on an engine that is ready.

    Only rates at which the requests take long enough to arrive that a queue has time to grow; a few at once are a
    burst, whatever their rate is called.
    """
    rates, most_per_s = [], len(workload.requests) / _LEAST_S
    for arm in bench.arms:

        async def p95_ms(per_s: float, arm: str = arm) -> float:
            run = await replay(arm, workload, ground, pool, times_s=bench.times_s(str(per_s), 1))
            found = percentile([sample.first_token_ms for sample in run.samples], 0.95)
            say(f"{arm}: {per_s:.2f} requests/s, p95 {found:.0f} ms")
            return found

        per_s = await highest_rate(p95_ms, limit_ms=limit_ms, most_per_s=most_per_s)
        rates.append(Rate(arm=arm, kv_tokens=ground.kv_tokens, per_s=per_s, most_per_s=most_per_s, limit_ms=limit_ms))
    return rates


def _result(bench: Bench, ground: Ground, runs: list[Run], rates: list[Rate]) -> Result:
    return Result(
        workload=bench.workload.name,
        n_chunks=len(ground.chunks),
        corpus_tokens=sum(ground.cost(chunk) for chunk in ground.chunks),
        runs=tuple(runs),
        rates=tuple(rates),
        left_out=bench.left_out,
    )
