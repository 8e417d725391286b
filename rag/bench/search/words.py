"""The two indexes of words against each other: what they find, and what they cost. Nothing is embedded."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rag.bench.reuse.sets import Question, QuestionSet, read_set
from rag.bench.search.corpus import publish
from rag.bench.search.made import made_up
from rag.bench.search.score import TOP, Quality, mean, quality
from rag.bench.stats import percentile
from rag.retrieve import in_context
from rag.retrieve.fuse import ranked, weighted_sum
from rag.settings import IndexSettings
from rag.store.words import WordIndex, WordsKind, open_words, write_words
from rag.types import Chunk

_CANDIDATES = 100  # as the service's search asks for
_SETTINGS = {WordsKind.FTS: IndexSettings(fts_chunks=2**62), WordsKind.SEGMENTS: IndexSettings(fts_chunks=0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsArm:
    """One kind of index over one collection."""

    set_name: str
    kind: str
    n_chunks: int
    n_questions: int
    quality: Quality | None  # None: nobody judged
    write_s: float
    mb: float
    p50_ms: float  # of a question, with those that it follows
    p95_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_words(names: Sequence[str], *, data: Path, n_chunks: int | None = None) -> list[WordsArm]:
    """Both kinds on each set; with `n_chunks`, on so many chunks put together from the sets' sentences.

    Raises:
        ConfigError: a set is not in `data`, or cannot be read.
    """
    sets = [read_set(name, data, only_judged=True) for name in names]
    if n_chunks is None:
        return [arm for each in sets for arm in _arms(each.name, each.chunks, _judged(each), is_judged=True)]
    asked = [question for each in sets for question in _judged(each)]
    return _arms(",".join(names), made_up(sets, n_chunks), asked, is_judged=False)


def _judged(questions: QuestionSet) -> list[Question]:
    return [question for question in questions.questions if question.gold]


def _arms(name: str, chunks: Sequence[Chunk], asked: Sequence[Question], *, is_judged: bool) -> list[WordsArm]:
    with tempfile.TemporaryDirectory() as folder:
        vectors = np.tile(np.array([1, 0], np.float32), (len(chunks), 1))
        publish(chunks, vectors, Path(folder) / "data", model="none")[0].close()
        (catalog,) = (Path(folder) / "data").rglob("catalog.db")
        return [_arm(name, kind, chunks, asked, catalog, is_judged=is_judged) for kind in WordsKind]


def _arm(
    name: str, kind: WordsKind, chunks: Sequence[Chunk], asked: Sequence[Question], catalog: Path, *, is_judged: bool
) -> WordsArm:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copyfile(catalog, folder / catalog.name)
        began = time.perf_counter()
        files = write_words(folder, None, len(chunks), _SETTINGS[kind])
        write_s = time.perf_counter() - began
        mb = sum((folder / file).stat().st_size for file in files) / 1e6
        index = open_words(folder)
        assert index  # noqa: S101 - it was written just now
        try:
            found, times = _search(index, asked)
        finally:
            index.close()
    first: dict[str, int] = {}
    numbers = [first.setdefault(chunk.text, chunk.seq) for chunk in chunks]
    results = [
        quality(list(dict.fromkeys(numbers[seq] for seq in seqs))[:TOP], {numbers[seq] for seq in question.gold})
        for seqs, question in zip(found, asked, strict=True)
    ]
    return WordsArm(
        set_name=name,
        kind=kind,
        n_chunks=len(chunks),
        n_questions=len(asked),
        quality=mean(results) if is_judged else None,
        write_s=write_s,
        mb=mb,
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
    )


def _search(index: WordIndex, asked: Sequence[Question]) -> tuple[list[list[int]], list[float]]:
    """Of each question the chunks, best first, and the milliseconds that took. Each is asked once before."""
    found: list[list[int]] = []
    times: list[float] = []
    for is_timed in (False, True):
        for question in asked:
            texts = in_context([turn.question for turn in question.dialogue.turns])
            total = sum(weight for _, weight in texts)
            began = time.perf_counter()
            pairs = [(weight, index.search(text, _CANDIDATES, share=weight / total)) for text, weight in texts]
            seqs = [seq for seq, _ in ranked(weighted_sum(pairs))]
            if is_timed:
                times.append(1000 * (time.perf_counter() - began))
                found.append(seqs)
    return found, times
