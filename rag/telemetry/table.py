"""The table of metrics: each one's name, kind, labels and meaning, as they are registered."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LABELS = {
    "alias": "a name of `models.aliases`",
    "by": "`retrieval` or `model`",
    "collection": "name of the collection; empty: the bare model",
    "engine": "its URL",
    "model": "name of a chat model",
    "objective": "`kept` or `missed`",
    "outcome": "`completed` or `failed`",
    "priority": "class of the key: `high`, `normal` or `low`",
    "problem": "what is wrong with it: docs/citations.md",
    "python": "version of Python",
    "reason": "of a miss: docs/reuse.md; of a refusal: `queue_full` or `too_late`",
    "route": "path of the API, without its values",
    "stage": "part of the path",
    "status": "HTTP status; of citations: how well it is supported",
    "version": "version of the service",
    "why": "why a request came to an engine: `only`, `held`, `home` or `spilled`, docs/operations.md",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric as Prometheus names it."""

    name: str  # histograms: without _bucket, _sum and _count
    kind: str  # counter, gauge or histogram
    labels: tuple[str, ...]
    meaning: str


class Table:
    """Registers metrics and notes what they are."""

    def __init__(self) -> None:
        """Nothing is registered."""
        self.registry = CollectorRegistry()
        self.rows: list[Row] = []

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """A counter; Prometheus calls it by its name and `_total`."""
        self._note(f"{name}_total", "counter", meaning, labels)
        return Counter(name, meaning, labels, registry=self.registry)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """A gauge."""
        self._note(name, "gauge", meaning, labels)
        return Gauge(name, meaning, labels, registry=self.registry)

    def histogram(self, name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        """A histogram with these upper bounds."""
        self._note(name, "histogram", meaning, labels)
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def _note(self, name: str, kind: str, meaning: str, labels: Sequence[str]) -> None:
        self.rows.append(Row(name=name, kind=kind, labels=tuple(labels), meaning=meaning))
