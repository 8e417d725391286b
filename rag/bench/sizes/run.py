"""From sets of passages and questions to the figures of every index over spans of them."""

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from rag.bench.reuse.sets import read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.sizes.measure import SizeResult, measure_sizes
from rag.bench.sizes.spans import embed_spans, mix
from rag.embed import Encoder
from rag.settings import EmbeddingSettings

_SEED = 20261125


def bench_sizes(
    names: Sequence[str],
    sizes: Sequence[int],
    embedding: EmbeddingSettings,
    *,
    n_questions: int,
    data: Path,
    cache: Path,
    load: Callable[[], Encoder],
    say: Callable[[str], None],
) -> list[SizeResult]:
    """A result for each size and kind of index. What was embedded for it before lies in `cache`.

    Raises:
        ConfigError: a set is not in `data`, or cannot be read.
    """
    sets = [read_set(name, data) for name in names]
    texts = [chunk.text for each in sets for chunk in each.chunks]
    asked = list(dict.fromkeys(question.dialogue.turns[-1].question for each in sets for question in each.questions))
    chosen = random.Random(_SEED).sample(asked, min(n_questions, len(asked)))  # noqa: S311 - no secret

    encoder = load()
    most = max(sizes)
    key = hashlib.sha256(repr((embedding.model, embedding.dtype, most, texts)).encode()).hexdigest()[:16]
    file = cache / f"spans-{key}.f16"
    n_embedded = embed_spans(texts, most, encoder, file)
    if n_embedded < most:
        say(f"{n_embedded} spans were embedded; vectors beyond them are mixtures")
        mix(file, most, encoder.info.dimensions)
    questions = VectorFiles(cache, embedding, lambda: encoder).queries(chosen)
    return measure_sizes(file, questions, sizes, folder=cache, say=say)
