"""The centres of lists, themselves in groups: a vector is compared with the centres of the groups near it only.

Comparing every vector with every centre would be nearly all of the work of a large build, and grow as n times its root.
"""

import math

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.store.vectors.base import Vectors
from rag.store.vectors.exact import nearest

_ROUNDS = 10  # of k-means
_PER_CENTRE = 256  # vectors that k-means learns a centre from at most
_SEED = 7
_FLAT = 512  # so many centres are one group: there is nothing to gain
_NEAR = 8  # groups whose centres a vector is compared with: of 64 they found what all did (docs/scale.md)


class Centres:
    """Where lists lie, and which of them a vector belongs to."""

    def __init__(self, rows: Vectors) -> None:
        """rows: float32 of shape (lists, dimensions), each of length 1."""
        self.rows = rows
        n_groups = _n_groups(len(rows))
        self._groups = _means(rows, n_groups)
        homes = _best(rows, self._groups)
        order = np.argsort(-(self._groups @ self._groups.T), axis=1, kind="stable")[:, :_NEAR]
        self._near = [np.flatnonzero(np.isin(homes, some)) for some in order]

    def homes(self, vectors: Vectors) -> NDArray[np.int64]:
        """The list that each vector belongs to: that of the nearest centre, or of one nearly as near."""
        groups = _best(vectors, self._groups)
        found = np.empty(len(vectors), np.int64)
        for group in np.unique(groups):
            here = np.flatnonzero(groups == group)
            near = self._near[group]
            found[here] = near[_best(vectors[here], self.rows[near])]
        return found


def learn_centres(vectors: NDArray[np.float16], n: int) -> Centres:
    """`n` centres of these vectors: of groups first, then in each group as many as its vectors' share of all is."""
    groups = _means(vectors, _n_groups(n))
    homes = _best_of_all(vectors, groups)
    counts = np.bincount(homes, minlength=len(groups))
    # Shares are rounded along their running sum, so that they add up to n; a group has no more centres than vectors.
    ends = np.rint(np.cumsum(counts) / len(vectors) * n).astype(int)
    shares = np.diff(ends, prepend=0)
    rows = [_means(vectors[homes == group], share) for group, share in enumerate(shares) if share]
    return Centres(np.concatenate(rows))


def _n_groups(n: int) -> int:
    return 1 if n <= _FLAT else 2 ** round(math.log2(math.sqrt(n)))


def _means(vectors: NDArray[np.floating], n: int) -> Vectors:
    most = _PER_CENTRE * n
    if len(vectors) > most:
        vectors = vectors[np.sort(np.random.default_rng(_SEED).choice(len(vectors), most, replace=False))]
    kmeans = faiss.Kmeans(vectors.shape[1], n, niter=_ROUNDS, seed=_SEED, spherical=True, min_points_per_centroid=1)
    kmeans.train(np.ascontiguousarray(vectors, np.float32))
    return np.asarray(kmeans.centroids, np.float32)


def _best_of_all(vectors: NDArray[np.float16], centres: Vectors) -> NDArray[np.int64]:
    step = 65_536  # rows held in 32 bits at a time
    parts = (vectors[first : first + step].astype(np.float32) for first in range(0, len(vectors), step))
    return np.concatenate([_best(part, centres) for part in parts])


def _best(vectors: Vectors, centres: Vectors) -> NDArray[np.int64]:
    return nearest(vectors, centres, 1)[1][:, 0]
