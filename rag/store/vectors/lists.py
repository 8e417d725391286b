"""Vectors in lists of similar ones. A question reads the lists that are nearest to it.

How many are read is measured when they are built (`training`).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.store.layout import sync
from rag.store.vectors.base import Found, IndexKind, Parts, Vectors, batches, best
from rag.store.vectors.centres import learn_centres
from rag.store.vectors.faiss_files import one_thread, selected, write_durably
from rag.store.vectors.training import Sample, n_lists

_PLACES = np.dtype([("seq", np.int64), ("list", np.int32), ("row", np.int32)])
_LEARN_CODES = 65_536  # vectors that codes are learnt from


class ListIndex:
    """An index of kind LISTS."""

    kind = IndexKind.LISTS

    def __init__(self, index: faiss.IndexIVF, places: Path) -> None:
        """index: as `write_lists` wrote it, mapped; places: where each number stands in it."""
        self._index = index
        self._places = np.memmap(places, _PLACES, "r")

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def lists_read(self) -> tuple[int, int]:
        """As `VectorIndex.lists_read`."""
        return self._index.nprobe, self._index.nlist

    def search(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> Found:
        """As `VectorIndex.search`."""
        return best(*search_lists(self._index, vector, k, allowed), k)

    def vectors(self, seqs: Sequence[int]) -> Vectors:
        """As `VectorIndex.vectors`."""
        found = np.empty((len(seqs), self._index.d), np.float32)
        places = self._places[np.searchsorted(self._places["seq"], np.asarray(seqs, np.int64))]
        for row, place in zip(found, places, strict=True):
            self._index.reconstruct_from_offset(int(place["list"]), int(place["row"]), faiss.swig_ptr(row))
        return found


def search_lists(
    index: faiss.IndexIVF, vector: Vectors, k: int, allowed: frozenset[int] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Numbers and scores of up to `k` vectors; a number below 0 is none.

    The fewer are allowed, the more lists are read: as many allowed vectors are compared as there would be without a
    filter. So a narrow filter is exact.
    """
    k = min(k, index.ntotal if allowed is None else len(allowed))
    if k < 1:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    probe = index.nprobe
    params = faiss.SearchParametersIVF(nprobe=probe)  # type: ignore[call-arg]  # its stubs know no arguments
    if allowed is not None:
        probe = min(index.nlist, math.ceil(probe * index.ntotal / len(allowed)))
        params = faiss.SearchParametersIVF(nprobe=probe, sel=selected(allowed))  # type: ignore[call-arg]
    query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
    one_thread()
    scores, seqs = index.search(query, k, params=params)
    return seqs[0], scores[0]


def write_lists(file: Path, places: Path, parts: Parts, n: int, dimensions: int) -> None:
    """Nothing; the two files are an index over the `n` vectors in `parts`, on the disk.

    Raises:
        OSError: a file could not be written, or not whole.
    """
    sample = Sample(parts, n, dimensions)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimensions),
        dimensions,
        n_lists(n),
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    fill_lists(index, sample, parts)
    write_durably(index, file)
    _write_places(index, places)


def fill_lists(index: faiss.IndexIVF, sample: Sample, parts: Parts) -> None:
    """Nothing; the new `index` has learnt from `sample`, and has all of `parts`."""
    centres = learn_centres(sample.vectors, index.nlist)
    index.quantizer.add(centres.rows)
    index.train(sample.vectors[:_LEARN_CODES].astype(np.float32))  # of centres that are there, faiss learns codes only
    for seqs, vectors in batches(parts):
        homes = centres.homes(vectors)
        index.add_core(len(seqs), faiss.swig_ptr(vectors), faiss.swig_ptr(seqs), faiss.swig_ptr(homes))
        sample.see(seqs, vectors)
    index.nprobe = sample.probe(centres)


def _write_places(index: faiss.IndexIVF, file: Path) -> None:
    seqs, places = np.empty(index.ntotal, np.int64), np.empty(index.ntotal, _PLACES)
    lists: faiss.InvertedLists = index.invlists  # type: ignore[assignment]  # a filled index has some
    at = 0
    for number in range(index.nlist):
        size = lists.list_size(number)
        if not size:
            continue
        seqs[at : at + size] = faiss.rev_swig_ptr(lists.get_ids(number), size)
        places["list"][at : at + size], places["row"][at : at + size] = number, np.arange(size)
        at += size
    places["seq"] = seqs
    places[np.argsort(seqs)].tofile(file)
    sync(file)
