"""`rag bench embeddings`: what is left of the encoder's throughput for callers of one text each.

Two arms in one run, in turn (ABBA, so that drift hits both alike): the encoder itself over all texts at once, with the
batch that is best for it here; and the service, asked over HTTP by many callers who each send one text and wait.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.bench.callers import Calls, embed
from rag.bench.reuse.sets import read_set
from rag.bench.service import local_token, running_service
from rag.bench.stats import percentile
from rag.embed import Encoder
from rag.embed.encoder import SentenceEncoder
from rag.models import chat_model_source, embedding_source
from rag.settings import Settings

_BATCH_TOKENS = (512, 1024, 2048, 4096, 8192)
_WARM_UP = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsResult:
    """Texts a second of both arms."""

    set_name: str
    n_texts: int
    mean_tokens: float
    n_callers: int
    n_threads: int | None
    batch_tokens: dict[int, float]  # texts a second of the encoder with each
    encoder_per_s: float  # medians of the rounds
    service_per_s: float
    ratio: float  # median of the rounds' own
    p50_ms: float  # what a caller waits
    p95_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_embeddings(
    settings: Settings, *, data: Path, set_name: str, n_texts: int, n_callers: int, n_rounds: int, n_threads: int | None
) -> EmbeddingsResult:
    """Measure with `n_texts` passages of a set below `data`."""
    encoders = {size: _encoder(settings, size, n_threads) for size in _BATCH_TOKENS}
    passages = _readable([chunk.text for chunk in read_set(set_name, data).chunks], encoders[_BATCH_TOKENS[0]])
    texts = [passages[n % len(passages)] for n in range(n_texts)]
    warm_up = texts[:_WARM_UP]
    per_s = {size: _after_warm_up(encoder, warm_up) for size, encoder in encoders.items()}
    best = encoders[max(per_s, key=lambda size: per_s[size])]
    raw: list[float] = []
    calls: list[Calls] = []
    with tempfile.TemporaryDirectory(prefix="prefixrag-bench-") as folder:
        data_dir = Path(folder) / "data"
        arguments = ["--chat-model", chat_model_source(settings.engine.model, settings.data_dir)]
        if n_threads is not None:
            arguments += ["--threads", str(n_threads)]
        module = ("rag.bench.encoder_service",)
        with running_service(data_dir, log=Path(folder) / "log", module=module, arguments=arguments) as url:
            token = local_token(data_dir)

            def ask(some: Sequence[str]) -> Calls:
                return asyncio.run(embed(url, best.info.model, some, n_callers=n_callers, token=token))

            ask(warm_up)
            for number in range(n_rounds):
                if number % 2:
                    calls.append(ask(texts))
                raw.append(_raw(best, texts))
                if not number % 2:
                    calls.append(ask(texts))
    service = [n_texts / call.seconds for call in calls]
    waits = [wait for call in calls for wait in call.latencies_ms]
    counts = [len(encoding.ids) for encoding in best.tokenizer.encode_batch(texts)]
    return EmbeddingsResult(
        set_name=set_name,
        n_texts=n_texts,
        mean_tokens=round(sum(counts) / len(counts), 1),
        n_callers=n_callers,
        n_threads=n_threads,
        batch_tokens={size: round(value, 1) for size, value in per_s.items()},
        encoder_per_s=round(percentile(raw, 0.5), 1),
        service_per_s=round(percentile(service, 0.5), 1),
        ratio=round(percentile([ours / bare for ours, bare in zip(service, raw, strict=True)], 0.5), 3),
        p50_ms=round(percentile(waits, 0.5), 1),
        p95_ms=round(percentile(waits, 0.95), 1),
    )


def _encoder(settings: Settings, batch_tokens: int, n_threads: int | None) -> Encoder:
    sized = settings.embedding.model_copy(update={"batch_tokens": batch_tokens})
    return SentenceEncoder(sized, embedding_source(settings.embedding.model), n_threads=n_threads)


def _readable(texts: Sequence[str], encoder: Encoder) -> list[str]:
    """The texts that the model reads whole. Of others the encoder would cut the end off; the service refuses them."""
    counts = [len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(list(texts))]
    return [text for text, count in zip(texts, counts, strict=True) if count <= encoder.max_tokens]


def _after_warm_up(encoder: Encoder, texts: Sequence[str]) -> float:
    encoder.encode_documents(texts[:8])
    return _raw(encoder, texts)


def _raw(encoder: Encoder, texts: Sequence[str]) -> float:
    """Texts a second of the encoder itself."""
    start = time.perf_counter()
    encoder.encode_documents(texts)
    return len(texts) / (time.perf_counter() - start)
