"""More vectors than can be embedded: mixtures of real ones.

A mixture lies near a real vector: moved by a part of the way to one of its neighbours, and by the way between two
neighbours elsewhere, so that it is as far from what is near it as real vectors are, in directions that real ones have.
How searches of mixtures differ from searches of as many real vectors: docs/scale.md.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.bench.sizes.spans import BATCH, Halves
from rag.embed.base import Vectors
from rag.store import nearest

_NEIGHBOURS = 8
_TOWARDS = 0.5  # of the way to a neighbour at most: a mixture stays nearer to its own real vector
_ASIDE = (0.2, 0.9)  # of the way between two others: 20,000 from 2,000 then lie as close together as 20,000 real ones
_SEED = 9


def write_mixed(real: Halves, n: int, file: Path) -> None:
    """Nothing; `file` has `n` rows of 16 bits or some more: the real ones, then mixtures, of each real one as many.

    The first rows are the same for any `n`.
    """
    rows = real.astype(np.float32)
    near = _neighbours(rows)
    chance = np.random.default_rng(_SEED)
    temporary = file.with_suffix(".tmp")
    with temporary.open("wb") as opened:
        opened.write(real.tobytes())
        for first in range(len(rows), n, BATCH):
            own = np.arange(first, first + BATCH) % len(rows)
            mixed = rows[own] + _ways(rows, near, own, (0, _TOWARDS), chance)
            mixed += _ways(rows, near, chance.integers(0, len(rows), len(own)), _ASIDE, chance)
            opened.write(unit(mixed).astype(np.float16).tobytes())
    temporary.replace(file)


def unit(rows: Vectors) -> Vectors:
    """The rows, of length 1."""
    scaled: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def _ways(
    rows: Vectors,
    near: NDArray[np.int64],
    some: NDArray[np.int64],
    parts: tuple[float, float],
    chance: np.random.Generator,
) -> Vectors:
    """From each of `some` rows a part, between these, of the way to one of its neighbours."""
    ways: Vectors = rows[near[some, chance.integers(0, _NEIGHBOURS, len(some))]] - rows[some]
    ways *= chance.uniform(*parts, (len(some), 1)).astype(np.float32)
    return ways


def _neighbours(rows: Vectors) -> NDArray[np.int64]:
    """Of each row those nearest to it, among the rows that lie nearest to the same one of some rows taken by chance."""
    n_parts = math.ceil(math.sqrt(len(rows)) / 2)
    centres = rows[np.random.default_rng(_SEED).choice(len(rows), n_parts, replace=False)]
    homes = nearest(rows, centres, 1)[1][:, 0]
    near = np.empty((len(rows), _NEIGHBOURS), np.int64)
    for home in range(n_parts):
        here = np.flatnonzero(homes == home)
        found = nearest(rows[here], rows[here], _NEIGHBOURS + 1)[1]  # the first is the row itself
        near[here] = here[found[:, np.minimum(np.arange(1, _NEIGHBOURS + 1), found.shape[1] - 1)]]
    return near
