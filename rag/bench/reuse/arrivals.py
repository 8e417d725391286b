"""When requests arrive."""

import gzip
import json
import random
from itertools import accumulate, islice
from pathlib import Path

from rag.errors import ConfigError

SEQUENTIAL = "sequential"


def arrival_times_s(rate: str, n_requests: int, *, traces: Path, seed: int) -> tuple[float, ...] | None:
    """Seconds after the start at which each request arrives; None: each when the one before it has its answer.

    rate: `sequential`, `burst` (all at once), requests per second (Poisson), or `trace:NAME` with the gaps of a file
    below `traces`, by `trace:NAME@RATE` scaled to so many requests per second.

    Raises:
        ConfigError: `rate` is none of these, or there is no such trace or it is too short.
    """
    if rate == SEQUENTIAL:
        return None
    if rate == "burst":
        return (0.0,) * n_requests
    kind, _, name = rate.partition(":")
    if kind == "trace":
        name, _, scaled = name.partition("@")
        return _of_trace(traces, name, n_requests, _per_second(scaled) if scaled else None)
    chance = random.Random(seed)  # noqa: S311  # no secret
    return tuple(accumulate(chance.expovariate(_per_second(rate)) for _ in range(n_requests)))


def _per_second(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ConfigError(f"The rate {text!r} is none. Use requests per second, burst, sequential or trace:NAME.")
    return rate


def _of_trace(traces: Path, name: str, n_requests: int, rate: float | None) -> tuple[float, ...]:
    file = traces / f"{name}.jsonl.gz"
    if not file.is_file():
        known = sorted(each.name.removesuffix(".jsonl.gz") for each in traces.glob("*.jsonl.gz"))
        raise ConfigError(f"The trace {name!r} is not in {str(traces)!r}. There are: {', '.join(known) or 'none'}.")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, n_requests)]
    if len(rows) < n_requests:
        raise ConfigError(f"The trace {name!r} has {len(rows)} arrivals, fewer than {n_requests}. Lower --n.")
    times_ms = [row["t_ms"] if "t_ms" in row else row["timestamp"] for row in rows]
    span_s = (times_ms[-1] - times_ms[0]) / 1000
    scale = n_requests / rate / span_s if rate and span_s else 1.0
    return tuple((time - times_ms[0]) / 1000 * scale for time in times_ms)
