"""What a search by words costs in a large collection, and what its index costs an ingest."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rag.bench.reuse.sets import read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.search.corpus import NAME, publish
from rag.bench.search.made import made_up
from rag.bench.search.run import meant_by
from rag.bench.stats import percentile
from rag.embed import Encoder
from rag.embed.remembered import RememberedEncoder
from rag.retrieve import find
from rag.settings import IndexSettings, Settings
from rag.store.words import write_words

_SEED = 20261125
_QUESTIONS = 60  # of each set
_FREQUENT = ("what is the name of the", "how many of these are in it", "who was the first")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """Times in one made-up collection of sentences that are real."""

    n_chunks: int
    n_questions: int
    publish_s: float  # catalog, vectors and words, without embedding
    words_s: float  # of that, the words
    catalog_mb: float
    words_mb: float
    p50_ms: dict[str, float]  # by what was done
    p95_ms: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_size(
    names: Sequence[str], settings: Settings, *, n_chunks: int, data: Path, cache: Path, load: Callable[[], Encoder]
) -> SizeResult:
    """Search `n_chunks` chunks, put together from the sets' sentences, for the sets' questions.

    Their vectors are random: dense search costs the same with any. The questions' own are real.

    Raises:
        ConfigError: a set is not in `data`, or cannot be read.
    """
    encoder = RememberedEncoder(load, cache / "encoder.json")
    files = VectorFiles(cache, settings.embedding, lambda: encoder)
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    sets = [read_set(name, data, only_judged=True) for name in names]
    asked = [question for each in sets for question in chance.sample(each.questions, _QUESTIONS)]
    meant = meant_by(asked, files, encoder)
    chunks = made_up(sets, n_chunks)
    noise = np.random.default_rng(_SEED).standard_normal((n_chunks, encoder.info.dimensions), np.float32)
    vectors = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        store, publish_s = publish(chunks, vectors, Path(folder), model=encoder.info.model)
        try:
            with store.pin(NAME) as generation:
                times = {
                    "words": [_ms(generation.search_words, each.texts[0][0], 100) for each in meant],
                    "frequent words": [_ms(generation.search_words, text, 100) for text in _FREQUENT],
                    "dense": [_ms(find, each, generation, mode="dense", top_k=10) for each in meant],
                    "hybrid": [_ms(find, each, generation, mode="hybrid", top_k=10) for each in meant],
                }
            return SizeResult(
                n_chunks=n_chunks,
                n_questions=len(meant),
                publish_s=publish_s,
                catalog_mb=_megabytes(Path(folder), "catalog.db"),
                words_mb=_megabytes(Path(folder), "words*"),
                p50_ms={name: percentile(each, 0.5) for name, each in times.items()},
                p95_ms={name: percentile(each, 0.95) for name, each in times.items()},
                words_s=_words_s(Path(folder), n_chunks),
            )
        finally:
            store.close()


def _words_s(data_dir: Path, n_chunks: int) -> float:
    """The seconds that the index takes when it is made once more."""
    (catalog,) = data_dir.rglob("catalog.db")
    again = data_dir / "again"
    again.mkdir()
    shutil.copyfile(catalog, again / catalog.name)
    began = time.perf_counter()
    write_words(again, None, n_chunks, IndexSettings())
    return time.perf_counter() - began


def _ms(work: Callable[..., object], *args: object, **kwargs: object) -> float:
    began = time.perf_counter()
    work(*args, **kwargs)
    return 1000 * (time.perf_counter() - began)


def _megabytes(folder: Path, name: str) -> float:
    return sum(file.stat().st_size for file in folder.rglob(name)) / 1e6
