"""When requests come, and how long their answers are: by a rate, or as recorded."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rag.errors import ConfigError

_TIMES = {"t_ms": "output_tokens", "timestamp": "output_length"}  # of Azure's and Mooncake's traces, in milliseconds
_SEED = 20261128


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request of a load."""

    at_s: float  # from the start
    answer_tokens: int  # at most


def poisson(rate: float, *, seconds: float, answer_tokens: int) -> list[Arrival]:
    """Requests that come independently of each other, `rate` in a second on average. The same at every call."""
    draw, at_s, arrivals = random.Random(_SEED), 0.0, []  # noqa: S311 - no secret
    while (at_s := at_s + draw.expovariate(rate)) < seconds:
        arrivals.append(Arrival(at_s=at_s, answer_tokens=answer_tokens))
    return arrivals


def recorded(file: Path, rate: float, *, seconds: float, answer_tokens: int) -> list[Arrival]:
    """The beginning of a trace, its gaps stretched alike so that `rate` requests come in a second on average.

    answer_tokens: longer answers of the trace are asked for with so many.

    Raises:
        ConfigError: it is no trace.
    """
    lines = list(_lines(file, 2 + round(rate * seconds)))
    times = [first for first, _ in lines]
    if len(lines) < 2 or times[-1] <= times[0] or any(after < before for before, after in pairwise(times)):
        raise ConfigError(f"The trace {str(file)!r} has no two requests one after the other. Name another file.")
    stretch = (len(lines) - 1) / rate / (times[-1] - times[0])
    arrivals = (
        Arrival(at_s=(time - times[0]) * stretch, answer_tokens=max(1, min(length, answer_tokens)))
        for time, length in lines
    )
    return [each for each in arrivals if each.at_s < seconds]


def _lines(file: Path, most: int) -> Iterator[tuple[float, int]]:
    """Times and lengths of answers."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            for number, line in zip(range(1, most + 1), lines, strict=False):
                entry = json.loads(line)
                time = next((name for name in _TIMES if name in entry), None)
                if time is None or _TIMES[time] not in entry:
                    raise ConfigError(
                        f"Line {number} of the trace {str(file)!r} has no time or length. Lines need "
                        + " or ".join(f"{each} and {length}" for each, length in _TIMES.items())
                        + "."
                    )
                yield float(entry[time]), int(entry[_TIMES[time]])
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise ConfigError(f"The trace {str(file)!r} cannot be read: {error}. Name a file of JSON lines.") from None
