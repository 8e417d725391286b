"""Two looks at a service made into one picture: what went on between them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from rag.cli.top.reading import Reading
from rag.telemetry import Scraped, quantile

_LOOKING = {"/metrics", "/ready", "/health"}  # what watches the service is no load


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """One engine. None: it is not known."""

    url: str
    state: str
    running: int
    kv_used: float | None  # share of its cache that running requests hold, by vLLM
    hit_ratio: float | None  # of the tokens that vLLM looked up, by vLLM
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRow:
    """One collection; an empty name is the bare model."""

    name: str
    documents: int
    prompt_tokens: int
    cached_tokens: int
    hit_ratio: float | None
    misses: Mapping[str, int]  # by reason, since the service started


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Rates, times, shares and tokens are of the last `seconds`; what ends in `_ever` is since the service started."""

    at: str  # local time
    state: str
    seconds: float
    requests_per_s: float
    errors_per_s: float  # answered 500 or more
    running: int
    queued: int
    first_token_p50_s: float | None
    first_token_p95_s: float | None
    hit_ratio: float | None
    hit_ratio_ever: float | None
    cached_tokens_per_s: float
    cached_tokens_ever: int
    shed: Mapping[str, int]  # by reason
    shed_ever: int
    engines: tuple[EngineRow, ...]
    collections: tuple[CollectionRow, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def picture(before: Reading, now: Reading) -> Picture:
    """What went on between two looks. A service that was restarted in between counts from its start."""
    seconds = max(now.at_s - before.at_s, 1e-9)
    metrics = now.metrics

    def grown(name: str, **labels: str) -> float:
        return _grown(lambda each: each.metrics.total(name, **labels), before, now)

    statuses = {
        status: _grown(lambda each, status=status: _asked(each.metrics, status), before, now)  # type: ignore[misc]
        for status in metrics.by("rag_requests_total", "status")
    }
    firsts = _first_tokens(before, now)
    shed = metrics.by("rag_shed_requests_total", "reason")
    return Picture(
        at=time.strftime("%H:%M:%S"),
        state=now.state,
        seconds=round(seconds, 1),
        requests_per_s=round(sum(statuses.values()) / seconds, 2),
        errors_per_s=round(sum(n for status, n in statuses.items() if status >= "500") / seconds, 2),
        running=round(metrics.total("rag_in_flight_requests")),
        queued=round(metrics.total("rag_queued_requests")),
        first_token_p50_s=quantile(firsts, 0.5),
        first_token_p95_s=quantile(firsts, 0.95),
        hit_ratio=_ratio(grown("rag_cached_tokens_total"), grown("rag_prompt_tokens_total")),
        hit_ratio_ever=_ratio(metrics.total("rag_cached_tokens_total"), metrics.total("rag_prompt_tokens_total")),
        cached_tokens_per_s=round(grown("rag_cached_tokens_total") / seconds, 1),
        cached_tokens_ever=round(metrics.total("rag_cached_tokens_total")),
        shed={reason: round(grown("rag_shed_requests_total", reason=reason)) for reason in sorted(shed)},
        shed_ever=round(sum(shed.values())),
        engines=tuple(_engine(each, now.vllm.get(each["url"])) for each in now.engines),
        collections=_collections(grown, metrics),
    )


def _grown(value: Callable[[Reading], float], before: Reading, now: Reading) -> float:
    """By how much a counter grew."""
    was, is_now = value(before), value(now)
    return is_now - was if is_now >= was else is_now


def _asked(metrics: Scraped, status: str) -> float:
    by_route = metrics.by("rag_requests_total", "route", status=status)
    return sum(count for route, count in by_route.items() if route not in _LOOKING)


def _first_tokens(before: Reading, now: Reading) -> dict[float, float]:
    bounds = now.metrics.by("rag_first_token_seconds_bucket", "le")
    return {
        float(bound): _grown(
            lambda each, bound=bound: each.metrics.total("rag_first_token_seconds_bucket", le=bound),  # type: ignore[misc]
            before,
            now,
        )
        for bound in bounds
    }


def _engine(facts: Mapping[str, object], vllm: Scraped | None) -> EngineRow:
    found = vllm or Scraped()
    knows_use = "vllm:kv_cache_usage_perc" in found.samples
    return EngineRow(
        url=str(facts["url"]),
        state=str(facts["state"]),
        running=int(str(facts.get("running") or 0)),
        kv_used=round(found.total("vllm:kv_cache_usage_perc"), 4) if knows_use else None,
        hit_ratio=_ratio(found.total("vllm:prefix_cache_hits_total"), found.total("vllm:prefix_cache_queries_total")),
        restarts=int(str(facts.get("restarts") or 0)),
    )


def _collections(grown: Callable[..., float], metrics: Scraped) -> tuple[CollectionRow, ...]:
    documents = metrics.by("rag_collection_documents", "collection")
    names = sorted(documents.keys() | metrics.by("rag_prompt_tokens_total", "collection").keys())
    rows = []
    for name in names:
        prompt = grown("rag_prompt_tokens_total", collection=name)
        cached = grown("rag_cached_tokens_total", collection=name)
        misses = metrics.by("rag_misses_total", "reason", collection=name)
        rows.append(
            CollectionRow(
                name=name,
                documents=round(documents.get(name, 0)),
                prompt_tokens=round(prompt),
                cached_tokens=round(cached),
                hit_ratio=_ratio(cached, prompt),
                misses={reason: round(count) for reason, count in sorted(misses.items()) if count},
            )
        )
    return tuple(rows)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
