"""Samples as one compressed file: passages come again and again, so a long window makes it small."""

import io
import json
import lzma
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rag.train.samples import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Samples end to end. `starts` has one more than there are; `answers` is where each one's answer begins."""

    ids: NDArray[np.uint16]
    weights: NDArray[np.uint8]  # 0: of the prompt
    starts: NDArray[np.int64]
    answers: NDArray[np.int64]
    kinds: Sequence[str]

    def __len__(self) -> int:
        return len(self.kinds)


def pack(samples: Iterable["Sample"]) -> Packed:
    """The samples in their order. Token ids must be below 65,536."""
    ids: list[NDArray[np.uint16]] = []
    weights: list[NDArray[np.uint8]] = []
    starts, answers, kinds = [0], [], []
    for sample in samples:
        prompt = sample.prompt.token_ids
        ids.append(np.array((*prompt, *sample.answer), np.uint16))
        weights.append(np.array((*[0] * len(prompt), *sample.weights), np.uint8))
        answers.append(starts[-1] + len(prompt))
        starts.append(starts[-1] + len(ids[-1]))
        kinds.append(sample.kind)
    return Packed(
        ids=np.concatenate(ids),
        weights=np.concatenate(weights),
        starts=np.array(starts),
        answers=np.array(answers),
        kinds=kinds,
    )


def write_packed(packed: Packed, file: Path) -> None:
    """Nothing; the samples stand in the file."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        ids=packed.ids,
        weights=packed.weights,
        starts=packed.starts,
        answers=packed.answers,
        kinds=np.frombuffer(json.dumps(list(packed.kinds)).encode(), np.uint8),
    )
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 4, "dict_size": 64 * 2**20}]
    file.write_bytes(lzma.compress(buffer.getvalue(), format=lzma.FORMAT_XZ, filters=filters))


def read_packed(file: Path) -> Packed:
    """The samples of a file that `write_packed` wrote."""
    with np.load(io.BytesIO(lzma.decompress(file.read_bytes()))) as read:
        return Packed(
            ids=read["ids"],
            weights=read["weights"],
            starts=read["starts"],
            answers=read["answers"],
            kinds=json.loads(read["kinds"].tobytes()),
        )
