"""From sets of passages and questions to the figures of every index over spans of them."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.bench.reuse.sets import read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.sizes.measure import Case, SizeResult, can_have, measure
from rag.bench.sizes.mixtures import write_mixed
from rag.bench.sizes.spans import embed_spans
from rag.bench.sizes.truth import truth
from rag.embed import Encoder
from rag.embed.base import Vectors
from rag.embed.remembered import RememberedEncoder
from rag.settings import EmbeddingSettings
from rag.store import IndexKind

_SEED = 20261125


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is measured."""

    sets: Sequence[str]
    sizes: Sequence[int]
    real: Sequence[int]  # vectors that are embedded at most, those beyond are mixtures; several: each in turn
    kinds: Sequence[IndexKind] = tuple(IndexKind)
    n_questions: int


def bench_sizes(
    wanted: Wanted,
    embedding: EmbeddingSettings,
    *,
    data: Path,
    cache: Path,
    keep: Path | None,
    load: Callable[[], Encoder],
    say: Callable[[str], None],
) -> list[SizeResult]:
    """A result for each size and kind of index. What was embedded for it before lies in `cache`.

    keep: a folder where indexes stay; those that are there are searched, not built again. None: none stays.

    Raises:
        ConfigError: a set is not in `data`, or cannot be read.
    """
    sets = [read_set(name, data) for name in wanted.sets]
    texts = [chunk.text for each in sets for chunk in each.chunks]
    asked = list(dict.fromkeys(question.dialogue.turns[-1].question for each in sets for question in each.questions))
    chosen = random.Random(_SEED).sample(asked, min(wanted.n_questions, len(asked)))  # noqa: S311 - no secret

    encoder = RememberedEncoder(load, cache / "encoder.json")
    questions = VectorFiles(cache, embedding, lambda: encoder).queries(chosen)
    key = hashlib.sha256(repr((embedding.model, embedding.dtype, texts)).encode()).hexdigest()[:16]
    spans = cache / f"spans-{key}.f16"
    n_spans = embed_spans(texts, min(max(wanted.sizes), max(wanted.real)), encoder, spans)
    results = []
    for case in _cases(wanted, spans, n_spans, questions, say):
        for kind in wanted.kinds:
            if not can_have(kind, case.size, questions.shape[1]):
                continue
            name = f"{key}-{case.size}-{case.n_mixtures}-{kind.value}"
            results.append(measure(case, kind, (keep or cache / "indexes") / name, is_kept=keep is not None))
            say(f"measured {case.size} vectors, {case.n_mixtures} of them mixtures, {kind.value}")
    return results


def _cases(wanted: Wanted, spans: Path, n_spans: int, questions: Vectors, say: Callable[[str], None]) -> Iterator[Case]:
    most = max(wanted.sizes)
    seen = set()
    for each in wanted.real:
        n_real = min(each, n_spans)
        file = spans
        if n_real < most:
            file = spans.with_name(f"{spans.stem}-{n_real}-mixed.f16")
            if not _has(file, most, questions.shape[1]):
                say(f"{n_real} vectors are of spans; those beyond are mixtures of them")
                write_mixed(np.memmap(spans, np.float16, "r").reshape(-1, questions.shape[1])[:n_real], most, file)
        rows = np.memmap(file, np.float16, "r").reshape(-1, questions.shape[1])
        for size in wanted.sizes:
            n_mixtures = max(size - n_real, 0)
            if (size, n_mixtures) not in seen:
                seen.add((size, n_mixtures))
                known = file.with_name(f"truth-{file.stem}-{size}-{len(questions)}.npy")
                near = truth(rows[:size], questions, known)
                yield Case(vectors=file, size=size, n_mixtures=n_mixtures, questions=questions, wanted=near)


def _has(file: Path, n: int, dimensions: int) -> bool:
    return file.is_file() and file.stat().st_size >= n * dimensions * 2
