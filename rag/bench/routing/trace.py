"""Requests as they arrived somewhere, with the blocks that their prompts share."""

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from rag.errors import ConfigError
from rag.plan import BlockName

BLOCK_TOKENS = 512  # of the recorded blocks; finer ones would find a little more
# Documents, where a trace says nothing of them: so many shared prefixes, asked for by Zipf's law.
_PREFIXES, _PREFIX_BLOCKS, _EXPONENT = 200, 4, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request. Two of them share a prefix as far as their chains agree."""

    at_ms: float
    n_tokens: int
    n_answer: int
    chain: tuple[BlockName, ...]  # full blocks
    key: str  # of its shared prefix: the first block behind what every prompt begins with


def read_trace(file: Path, *, n_requests: int | None, seed: int) -> list[Arrival]:
    """The first requests of a trace: with its own blocks, or in front of each prompt one of some shared prefixes.

    Raises:
        ConfigError: there is no such file.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines][:n_requests]
    except OSError as error:
        raise ConfigError(f"The trace {str(file)!r} cannot be read: {error.strerror or error}. Name another.") from None
    return _recorded(rows) if "hash_ids" in rows[0] else _with_prefixes(rows, random.Random(seed))  # noqa: S311


# Any: JSON of the trace.
def _recorded(rows: Sequence[Mapping[str, Any]]) -> list[Arrival]:
    return [
        Arrival(
            at_ms=row["timestamp"],
            n_tokens=row["input_length"],
            n_answer=row["output_length"],
            chain=tuple(f"{each}".encode() for each in row["hash_ids"][: row["input_length"] // BLOCK_TOKENS]),
            key=f"{row['hash_ids'][:2][-1]}",  # the first block is the same in all of them
        )
        for row in rows
    ]


def _with_prefixes(rows: Sequence[Mapping[str, Any]], chance: random.Random) -> list[Arrival]:
    weights = list(accumulate(rank**-_EXPONENT for rank in range(1, _PREFIXES + 1)))
    drawn = chance.choices(range(_PREFIXES), cum_weights=weights, k=len(rows))
    return [
        Arrival(
            at_ms=row["t_ms"],
            n_tokens=_PREFIX_BLOCKS * BLOCK_TOKENS + row["input_tokens"],
            n_answer=row["output_tokens"],
            chain=(
                *(f"{prefix} {number}".encode() for number in range(_PREFIX_BLOCKS)),
                *(f"own {index} {number}".encode() for number in range(row["input_tokens"] // BLOCK_TOKENS)),
            ),
            key=f"{prefix}",
        )
        for index, (row, prefix) in enumerate(zip(rows, drawn, strict=True))
    ]
