"""Every question of every set against every way to search, through the service's own search."""

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rag.bench.reuse.sets import Question, QuestionSet, read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.search.corpus import NAME, publish
from rag.bench.search.score import TOP, Quality, mean, quality
from rag.bench.stats import percentile
from rag.embed import Encoder
from rag.embed.remembered import RememberedEncoder
from rag.retrieve import Meant, Mode, find, in_context, mean_vector, readable_share
from rag.settings import Settings
from rag.store import Generation
from rag.types import Chunk

MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to search one set."""

    set_name: str
    mode: str
    n_passages: int
    n_questions: int
    all: Quality
    held_out: Quality  # of the half of the questions that nothing was tuned on
    p50_ms: float  # of a search, without the question's embedding
    p95_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_search(
    names: Sequence[str], settings: Settings, *, data: Path, cache: Path, load: Callable[[], Encoder]
) -> list[Arm]:
    """The arms of each set. What was embedded for it before lies in `cache`.

    Raises:
        ConfigError: a set is not in `data`, or cannot be read.
    """
    encoder = RememberedEncoder(load, cache / "encoder.json")
    files = VectorFiles(cache, settings.embedding, lambda: encoder)
    return [arm for name in names for arm in _arms(read_set(name, data, only_judged=True), files, encoder)]


def meant_by(questions: Sequence[Question], files: VectorFiles, encoder: Encoder) -> list[Meant]:
    """What is searched for each question, as the service does it."""
    turns = list(dict.fromkeys(turn.question for question in questions for turn in question.dialogue.turns))
    vectors = dict(zip(turns, files.queries(turns), strict=True))
    tokenizer = encoder.tokenizer
    found = []
    for question in questions:
        texts = in_context([turn.question for turn in question.dialogue.turns])
        readable = readable_share(texts[0][0], tokenizer)
        found.append(Meant(texts=texts, vector=mean_vector(texts, vectors), readable=readable))
    return found


def is_held_out(question: Question) -> bool:
    """Whether nothing was tuned on a question: by a hash of its id, one half."""
    return hashlib.sha256(question.id.encode()).digest()[-1] % 2 == 1


def _arms(questions: QuestionSet, files: VectorFiles, encoder: Encoder) -> list[Arm]:
    judged = [question for question in questions.questions if question.gold]
    meant = meant_by(judged, files, encoder)
    first = _first_with_text(questions.chunks)
    with tempfile.TemporaryDirectory() as folder:
        store, _ = publish(questions.chunks, files.documents(questions.chunks), Path(folder), model=encoder.info.model)
        try:
            with store.pin(NAME) as generation:
                return [_arm(questions, judged, meant, first, generation, mode) for mode in MODES]
        finally:
            store.close()


def _arm(
    questions: QuestionSet,
    judged: Sequence[Question],
    meant: Sequence[Meant],
    first: Sequence[int],
    generation: Generation,
    mode: Mode,
) -> Arm:
    results, times = [], []
    for question, each in zip(judged, meant, strict=True):
        began = time.perf_counter()
        hits = find(each, generation, mode=mode, top_k=TOP)
        times.append(1000 * (time.perf_counter() - began))
        results.append(quality([first[hit.chunk.seq] for hit in hits], {first[seq] for seq in question.gold}))
    held_out = [result for result, question in zip(results, judged, strict=True) if is_held_out(question)]
    return Arm(
        set_name=questions.name,
        mode=mode,
        n_passages=len(questions.chunks),
        n_questions=len(judged),
        all=mean(results),
        held_out=mean(held_out),
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
    )


def _first_with_text(chunks: Sequence[Chunk]) -> list[int]:
    """For each chunk the number of the first one with its text: a search finds one of them."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(chunk.text, chunk.seq) for chunk in chunks]
