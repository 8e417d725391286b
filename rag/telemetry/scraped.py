"""What `/metrics` said, ours or vLLM's, to be looked up."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scraped:
    """Samples of one moment. Names are as they stand in the text: `_total`, `_bucket` and so on included."""

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels; 0 if there are none."""
        return sum(value for given, value in self.samples.get(name, ()) if labels.items() <= given.items())

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The same for each value of a label."""
        sums: dict[str, float] = defaultdict(float)
        for given, value in self.samples.get(name, ()):
            if label in given and labels.items() <= given.items():
                sums[given[label]] += value
        return dict(sums)


def scraped(text: str) -> Scraped:
    """The samples of Prometheus' text format.

    Raises:
        ValueError: it is something else.
    """
    samples: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append((sample.labels, sample.value))
    return Scraped(dict(samples))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which this share of a histogram's observations lies, as Prometheus reckons it.

    buckets: upper bound to the number of observations up to it. None: there is no observation. Within a bucket they
    are taken to lie evenly; what lies beyond the last finite bound is given as that bound.
    """
    bounds = sorted(buckets)
    n_all = buckets[bounds[-1]] if bounds else 0
    if n_all <= 0:
        return None
    rank, low, n_below = share * n_all, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (rank - n_below) / max(buckets[bound] - n_below, 1e-9)
        low, n_below = bound, buckets[bound]
    return low
