"""What an engine had already computed of a prompt: predicted, reported, and why not more."""

from collections.abc import Sequence

from rag.ask import Report, Reuse
from rag.engine import Ticket
from rag.telemetry import Metrics
from rag.types import Segment, Usage

_COMMON = {"system", "shared_prefix"}  # what others will have computed
_STAGES = ("queue", "retrieve", "compose")


def account(ticket: Ticket, usage: Usage) -> Reuse:
    """Prediction and report of one request, by segment."""
    segments = _by_segment(ticket.prompt.segments, usage.cached_tokens)
    return Reuse(
        prompt_tokens=len(ticket.prompt.token_ids),
        predicted_cached_tokens=ticket.predicted_cached_tokens,
        cached_tokens=usage.cached_tokens,
        segments=segments,
        miss_reason=_miss_reason(segments, ticket, usage.cached_tokens),
    )


def count(report: Report, metrics: Metrics) -> None:
    """Add an answer to the metrics."""
    reuse, label = report.reuse, report.collection or ""
    metrics.prompt_tokens.labels(label).inc(reuse.prompt_tokens)
    metrics.predicted_cached_tokens.labels(label).inc(reuse.predicted_cached_tokens)
    if reuse.cached_tokens is not None:
        metrics.cached_tokens.labels(label).inc(reuse.cached_tokens)
        metrics.prediction_error_tokens.observe(abs(reuse.cached_tokens - reuse.predicted_cached_tokens))
    for citation in report.citations:
        metrics.citations.labels(citation.status.value).inc()
    metrics.markers_removed.inc(report.n_markers_removed)
    metrics.first_token_s.observe(report.timings_ms["first_token"] / 1000)
    for stage in _STAGES:
        if stage in report.timings_ms:
            metrics.stage_s.labels(stage).observe(report.timings_ms[stage] / 1000)


def _by_segment(segments: Sequence[Segment], cached_tokens: int | None) -> tuple[tuple[Segment, int | None], ...]:
    if cached_tokens is None:
        return tuple((segment, None) for segment in segments)
    split = []
    for segment in segments:
        split.append((segment, min(segment.n_tokens, cached_tokens)))
        cached_tokens -= split[-1][1]
    return tuple(split)


def _miss_reason(
    segments: Sequence[tuple[Segment, int | None]], ticket: Ticket, cached_tokens: int | None
) -> str | None:
    """Why tokens that others share had to be computed; None when only this request's own ones were."""
    if cached_tokens is None:
        return "unreported"
    common = sum(segment.n_tokens for segment, _ in segments if segment.name in _COMMON)
    block_size = ticket.info.block_size
    if cached_tokens >= common - common % block_size:
        return None
    if common < block_size:
        return "below_block"
    return "evicted" if ticket.predicted_cached_tokens - cached_tokens >= block_size else "cold"
