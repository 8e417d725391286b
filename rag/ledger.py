"""What an engine had already computed of a prompt: predicted, reported, and why not more."""

import itertools
from collections.abc import Mapping, Sequence

from rag.applications import Steadiness
from rag.ask import Choice, Report, Reuse
from rag.compose import Composed
from rag.engine import Ticket
from rag.recall import History
from rag.telemetry import Metrics, describe_request
from rag.types import Priority, Segment, Usage

_REUSABLE = {"system", "shared_prefix", "history"}  # what others or this conversation will have computed
_WHY_HISTORY = {History.NONE: "cold", History.EDITED: "history_edited", History.MOVED: "prefix_changed"}

CURES = {
    "cold": "Nobody had sent it yet. `rag warm`, or the setting cache.warm, computes prefixes ahead.",
    "evicted": "The engine's cache was too small to keep it. Give it more memory, or lower cache.prefix_share.",
    "prefix_changed": "Documents shown earlier in the conversation have changed. It lasts one answer.",
    "history_edited": "The client sent earlier turns that differ from what was answered. Send them unchanged.",
    "client_system_changed": "The client's system message changes with every request. Take clocks and ids out of it.",
    "other_group": "Only another access group had it. See the setting cache.sharing.",
    "below_block": "It is shorter than one block of the engine's cache. Nothing is lost.",
    "unreported": "The engine does not say. Start vLLM with --enable-prompt-tokens-details.",
}
_STAGES = ("queue", "retrieve", "compose")  # laps, one after the other


def account(ticket: Ticket, composed: Composed, usage: Usage) -> Reuse:
    """Prediction and report of one request, by segment."""
    segments = _by_segment(ticket.prompt.segments, usage.cached_tokens)
    return Reuse(
        prompt_tokens=len(ticket.prompt.token_ids),
        predicted_cached_tokens=ticket.predicted_cached_tokens,
        cached_tokens=usage.cached_tokens,
        segments=segments,
        miss_reason=_miss_reason(segments, ticket.info.block_size, composed, usage.cached_tokens),
        n_replaced=composed.n_replaced,
        prefix_version=composed.prefix_version,
    )


def count(
    report: Report, judged_s: Sequence[float], metrics: Metrics, *, priority: Priority, objective_s: float
) -> None:
    """Add an answer to the metrics.

    judged_s: what each statement took. objective_s: within which its first token was to come.
    """
    reuse, label = report.reuse, report.collection or ""
    for choice in report.choices:
        _count_choice(choice, label, metrics)
    if not report.prompt.token_ids:
        return  # the engine was not asked: there is nothing to reuse, and no first token
    describe_request(
        collection=label,
        prompt_tokens=reuse.prompt_tokens,
        predicted_cached_tokens=reuse.predicted_cached_tokens,
        cached_tokens=reuse.cached_tokens or 0,
        miss_reason=reuse.miss_reason or "",
    )
    metrics.prompt_tokens.labels(label).inc(reuse.prompt_tokens)
    metrics.predicted_cached_tokens.labels(label).inc(reuse.predicted_cached_tokens)
    if reuse.cached_tokens is not None:
        metrics.cached_tokens.labels(label).inc(reuse.cached_tokens)
        metrics.prediction_error_tokens.observe(abs(reuse.cached_tokens - reuse.predicted_cached_tokens))
    metrics.replaced_hits.labels(label).inc(reuse.n_replaced)
    if reuse.miss_reason:
        metrics.misses.labels(label, reuse.miss_reason).inc()
    for seconds in judged_s:
        metrics.judge_s.observe(seconds)
    metrics.first_token(report.timings_ms["first_token"] / 1000, priority=priority, objective_s=objective_s)
    for stage, took_ms in _stages_ms(report.timings_ms).items():
        metrics.stage_s.labels(stage).observe(took_ms / 1000)


def _stages_ms(timings_ms: Mapping[str, float]) -> Mapping[str, float]:
    before = {stage: timings_ms[stage] for stage in _STAGES if stage in timings_ms}
    return before | {
        "engine": max(0.0, timings_ms["first_token"] - sum(before.values())),
        "generate": timings_ms["total"] - timings_ms["first_token"],
        "cite": timings_ms["cite"],
    }


def _count_choice(choice: Choice, label: str, metrics: Metrics) -> None:
    if choice.no_answer:
        metrics.no_answers.labels(label, choice.no_answer).inc()
    for citation in choice.citations:
        metrics.citations.labels(citation.status.value).inc()
    for fault in choice.faults:
        metrics.citation_problems.labels(fault.problem.value).inc()
    metrics.quotes_dropped.inc(choice.n_quotes_dropped)


def _by_segment(segments: Sequence[Segment], cached_tokens: int | None) -> tuple[tuple[Segment, int | None], ...]:
    if cached_tokens is None:
        return tuple((segment, None) for segment in segments)
    split = []
    for segment in segments:
        split.append((segment, min(segment.n_tokens, cached_tokens)))
        cached_tokens -= split[-1][1]
    return tuple(split)


def _miss_reason(
    segments: Sequence[tuple[Segment, int | None]], block_size: int, composed: Composed, cached_tokens: int | None
) -> str | None:
    """Why the first token had to be computed that was, or could have been, computed before.

    None when only this request's own tokens were. Otherwise one of the keys of `CURES`.
    """
    if cached_tokens is None:
        return "unreported"
    reusable = list(itertools.takewhile(lambda pair: pair[0].name in _REUSABLE, segments))
    n_reusable = sum(segment.n_tokens for segment, _ in reusable)
    if cached_tokens >= n_reusable - n_reusable % block_size:
        return None
    if n_reusable < block_size:
        return "below_block"
    ends = itertools.accumulate(segment.n_tokens for segment, _ in reusable)
    # The block that a segment's end cuts is the next segment's as well.
    missed = next(
        segment for (segment, _), end in zip(reusable, ends, strict=True) if end - end % block_size > cached_tokens
    )
    if missed.name != "history":
        return composed.why_cold
    if composed.application is not Steadiness.STEADY:
        return "client_system_changed"
    return _WHY_HISTORY.get(composed.history, "evicted")
