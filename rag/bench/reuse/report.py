"""Runs as figures: a table for people, a document for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean

from rag.bench.reuse.prepare import Options
from rag.bench.reuse.run import Rate, Result
from rag.bench.reuse.sample import Run, Sample
from rag.bench.stats import percentile

# What the others are compared with: what people run, and the same with fewer passages, so that a shorter prompt
# does not pass for reuse.
BASES = ("retrieval", "retrieval-cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All rounds of one arm with one size of the cache. None: nothing was there to measure it by."""

    arm: str
    kv_tokens: int | None
    n_requests: int
    first_token_p50_ms: float
    first_token_p95_ms: float
    first_token_p99_ms: float
    first_token_mean_ms: float
    prompt_tokens_mean: float
    uncached_tokens_mean: float | None
    uncached_tokens_p50: float | None
    computed_tokens_mean: float | None  # the same with a request's share of what was computed before the first one
    hit_ratio: float | None  # cached tokens of all prompt tokens
    gold_shown: float | None  # passages that answer, the share of them in the prompt; mean of the questions
    gold_all_shown: float | None  # questions with all of them in the prompt
    plan_p50_ms: float
    plan_p99_ms: float
    prediction_error_tokens: float | None  # mean of what was predicted less what the engine said, without its sign
    predicted_in_a_block: float | None  # share of requests
    warm_tokens: int  # computed before the first request, a round
    counted_tokens_mean: float | None  # computed for a request by the engine's own counter


def summarize(runs: Sequence[Run]) -> list[Summary]:
    """A summary for each arm and size of the cache, in the order in which they come."""
    keys = dict.fromkeys((run.kv_tokens, run.arm) for run in runs)
    return [_summary([run for run in runs if (run.kv_tokens, run.arm) == key]) for key in keys]


def _summary(runs: Sequence[Run]) -> Summary:
    samples = [sample for run in runs for sample in run.samples]
    first, plan = [sample.first_token_ms for sample in samples], [sample.plan_ms for sample in samples]
    shares = [sample.n_shown_gold / sample.n_gold for sample in samples if sample.n_gold]
    counted = [run.counted_tokens for run in runs if run.counted_tokens is not None]
    return Summary(
        arm=runs[0].arm,
        kv_tokens=runs[0].kv_tokens,
        n_requests=len(samples),
        first_token_p50_ms=percentile(first, 0.5),
        first_token_p95_ms=percentile(first, 0.95),
        first_token_p99_ms=percentile(first, 0.99),
        first_token_mean_ms=fmean(first),
        prompt_tokens_mean=fmean(sample.prompt_tokens for sample in samples),
        gold_shown=fmean(shares) if shares else None,
        gold_all_shown=fmean(share == 1 for share in shares) if shares else None,
        plan_p50_ms=percentile(plan, 0.5),
        plan_p99_ms=percentile(plan, 0.99),
        warm_tokens=runs[0].warm_tokens,
        counted_tokens_mean=sum(counted) / len(samples) if len(counted) == len(runs) else None,
        **_reuse(samples, runs[0].block_size, sum(run.warm_tokens for run in runs)),
    )


def _reuse(samples: Sequence[Sample], block_size: int, warm_tokens: int) -> dict[str, float | None]:
    told = [(sample, sample.cached_tokens) for sample in samples if sample.cached_tokens is not None]
    if not told:
        names = ("uncached_tokens_mean", "uncached_tokens_p50", "computed_tokens_mean", "hit_ratio")
        return dict.fromkeys((*names, "prediction_error_tokens", "predicted_in_a_block"))
    uncached = [sample.prompt_tokens - cached for sample, cached in told]
    errors = [abs(sample.predicted_tokens - cached) for sample, cached in told]
    return {
        "uncached_tokens_mean": fmean(uncached),
        "uncached_tokens_p50": percentile(uncached, 0.5),
        "computed_tokens_mean": fmean(uncached) + warm_tokens / len(samples),
        "hit_ratio": sum(cached for _, cached in told) / sum(sample.prompt_tokens for sample, _ in told),
        "prediction_error_tokens": fmean(errors),
        "predicted_in_a_block": fmean(error <= block_size for error in errors),
    }


def ratios(summary: Summary, summaries: Sequence[Summary]) -> dict[str, dict[str, float]]:
    """By base arm with the same cache: how many times sooner the first token comes, and what share is computed."""
    found = {}
    for base in summaries:
        if base.arm in BASES and base.kv_tokens == summary.kv_tokens:
            found[base.arm] = {
                "first_token_p50": base.first_token_p50_ms / summary.first_token_p50_ms,
                "first_token_p95": base.first_token_p95_ms / summary.first_token_p95_ms,
                "first_token_mean": base.first_token_mean_ms / summary.first_token_mean_ms,
            }
            if summary.uncached_tokens_mean is not None and base.uncached_tokens_mean:
                found[base.arm]["uncached_tokens"] = summary.uncached_tokens_mean / base.uncached_tokens_mean
    return found


def table(summaries: Sequence[Summary]) -> list[str]:
    """Lines of text, a row for each summary; sizes of the cache apart by an empty line."""
    head = (
        f"{'arm':<16} {'p50':>8} {'p95':>8} {'p99':>8} {'mean':>8} {'prompt':>7} {'uncached':>9} {'+warm':>7}"
        f" {'hit':>6} {'gold':>6} {'plan p50':>9} {'p99':>7} {'off by':>7} {'vs retrieval':>13} {'vs -cut':>8}"
    )
    lines = []
    for kv_tokens in dict.fromkeys(summary.kv_tokens for summary in summaries):
        size = "without bounds" if kv_tokens is None else f"{kv_tokens:,} tokens"
        lines += [f"KV cache {size}: first token and plan in ms; prompt, uncached and off by in tokens, means", head]
        lines += [_row(each, ratios(each, summaries)) for each in summaries if each.kv_tokens == kv_tokens]
        lines.append("")
    return lines


def _row(each: Summary, against: Mapping[str, Mapping[str, float]]) -> str:
    times = [f"{against[base]['first_token_mean']:.2f}x" if base in against else "-" for base in BASES]
    return (
        f"{each.arm:<16} {each.first_token_p50_ms:>8.1f} {each.first_token_p95_ms:>8.1f}"
        f" {each.first_token_p99_ms:>8.1f} {each.first_token_mean_ms:>8.1f} {each.prompt_tokens_mean:>7.0f}"
        f" {_cell(each.uncached_tokens_mean, '.0f'):>9} {_cell(each.computed_tokens_mean, '.0f'):>7}"
        f" {_cell(each.hit_ratio, '.1%'):>6}"
        f" {_cell(each.gold_shown, '.3f'):>6} {each.plan_p50_ms:>9.3f} {each.plan_p99_ms:>7.2f}"
        f" {_cell(each.prediction_error_tokens, '.0f'):>7} {times[0]:>13} {times[1]:>8}"
    )


def _cell(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def rate_table(rates: Sequence[Rate]) -> list[str]:
    """Lines of text, a row for each rate that was looked for."""
    lines = [f"{'arm':<16} {'KV tokens':>10} {'requests/s':>11} {'at p95 of':>10}"] if rates else []
    for rate in rates:
        size = "-" if rate.kv_tokens is None else f"{rate.kv_tokens:,}"
        more = "  or more: --n is too small to tell" if rate.per_s == rate.most_per_s else ""
        lines.append(f"{rate.arm:<16} {size:>10} {rate.per_s:>11.2f} {rate.limit_ms:>7.0f} ms{more}")
    return lines


def document(options: Options, result: Result) -> dict[str, object]:
    """Everything, for JSON: options, summaries with their ratios, and each run's samples as columns."""
    summaries = summarize(result.runs)
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
    return {
        "options": asked,
        "workload": result.workload,
        "n_chunks": result.n_chunks,
        "corpus_tokens": result.corpus_tokens,
        "left_out": result.left_out,
        "rates": [asdict(rate) for rate in result.rates],
        "summaries": [{**asdict(each), "ratios": ratios(each, summaries)} for each in summaries],
        "runs": [{**asdict(run), "samples": _columns(run.samples)} for run in result.runs],
    }


def _columns(samples: Sequence[Sample]) -> dict[str, list[object]]:
    return {field.name: [_short(getattr(sample, field.name)) for sample in samples] for field in fields(Sample)}


def _short(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
