"""What is nearest, by brute force in 32 bits."""

from pathlib import Path

import numpy as np

from rag.bench.sizes.spans import BATCH, Halves
from rag.bench.sizes.steps import TOP
from rag.embed.base import Vectors
from rag.store import nearest


def truth(rows: Halves, questions: Vectors, file: Path) -> list[set[int]]:
    """Of each question its nearest rows; from `file` if it is there, else put there."""
    if not file.is_file():
        temporary = file.with_suffix(".tmp.npy")
        np.save(temporary, _compared(rows, questions))
        temporary.replace(file)
    return [set(row.tolist()) for row in np.load(file)]


def _compared(rows: Halves, questions: Vectors) -> np.ndarray:
    scores = np.empty((len(questions), 0), np.float32)
    seqs = np.empty((len(questions), 0), np.int64)
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH].astype(np.float32)
        similar, found = nearest(questions, part, TOP)
        scores, seqs = np.concatenate([scores, similar], axis=1), np.concatenate([seqs, found + first], axis=1)
        top = np.argsort(-scores, axis=1)[:, :TOP]
        scores, seqs = np.take_along_axis(scores, top, 1), np.take_along_axis(seqs, top, 1)
    return seqs
