"""`rag bench routing`: every policy on every number of engines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rag.bench.routing.policies import POLICIES
from rag.bench.routing.simulate import Run, simulate
from rag.bench.routing.trace import Arrival, read_trace
from rag.bench.stats import percentile
from rag.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy on so many engines, beside one engine with all of their cache."""

    policy: str
    engines: int
    hit_ratio: float  # of prompt tokens
    of_one_engine: float  # that engine's hit ratio is 1
    imbalance: float  # computing time of the busiest engine over the mean
    imbalance_requests: float
    load: float  # share of the time that an engine computes prompts
    first_token_p50_ms: float
    first_token_p95_ms: float


def bench_routing(
    file: Path,
    *,
    engines: Sequence[int],
    policies: Sequence[str],
    kv_tokens: int,
    load: float,
    n_requests: int | None,
    seed: int,
) -> list[Row]:
    """Rows for one engine, then for each number of engines and each policy, all over the same requests.

    kv_tokens: of all engines together. load: share of the time that one engine would compute prompts; requests come
    faster to more engines, so that each has as much to do.

    Raises:
        ConfigError: there is no such trace or policy.
    """
    for name in policies:
        if name not in POLICIES:
            raise ConfigError(f"The policy {name!r} is unknown. There are: {', '.join(POLICIES)}.")
    arrivals = read_trace(file, n_requests=n_requests, seed=seed)
    at_leisure = simulate(policies[0], arrivals, n_engines=1, kv_tokens=kv_tokens)
    speed = load * (arrivals[-1].at_ms - arrivals[0].at_ms) / sum(at_leisure.busy_ms)
    one = simulate(policies[0], _faster(arrivals, speed), n_engines=1, kv_tokens=kv_tokens)
    rows = [_row(replace(one, policy="one engine"), one)]
    for n_engines in engines:
        here = _faster(arrivals, speed * n_engines)
        rows += [_row(simulate(name, here, n_engines=n_engines, kv_tokens=kv_tokens), one) for name in policies]
    return rows


def _faster(arrivals: Sequence[Arrival], speed: float) -> list[Arrival]:
    return [replace(arrival, at_ms=arrival.at_ms / speed) for arrival in arrivals]


def _row(run: Run, one: Run) -> Row:
    hit_ratio = run.cached_tokens / run.prompt_tokens
    return Row(
        policy=run.policy,
        engines=run.n_engines,
        hit_ratio=hit_ratio,
        of_one_engine=hit_ratio / (one.cached_tokens / one.prompt_tokens) if one.cached_tokens else 1.0,
        imbalance=_imbalance(run.busy_ms),
        imbalance_requests=_imbalance(run.requests),
        load=sum(run.busy_ms) / run.n_engines / run.span_ms,
        first_token_p50_ms=percentile(run.first_token_ms, 0.5),
        first_token_p95_ms=percentile(run.first_token_ms, 0.95),
    )


def _imbalance(parts: Sequence[float]) -> float:
    return max(parts) * len(parts) / sum(parts)
