"""`rag bench ingest`: every arm in every round, forward and backward in turn, so that drift hits all alike."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rag.bench.ingest.child import Spec
from rag.bench.ingest.process import OURS, Sample, leave_out, run_arm
from rag.embed import Encoder
from rag.embed.load import load_encoder
from rag.embed.remembered import RememberedEncoder, remembered_file
from rag.errors import ConfigError, EngineError
from rag.models import embedding_source
from rag.settings import Settings
from rag.store import Store

_COLLECTION = "bench"
_SAMPLE = 64  # texts by which an arm may choose how it works


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What every arm gets: ours as files, the others as the texts of its chunks."""

    model: str
    dtype: str
    n_documents: int
    n_bytes: int  # of the documents' files
    n_chunks: int
    n_texts: int  # different ones: each is embedded once
    n_tokens: int  # of them, with those that the model puts around a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All runs over one input."""

    ingested: Ingested
    samples: tuple[Sample, ...]
    left_out: dict[str, str]  # arm: why


def bench_ingest(
    paths: Sequence[str],
    settings: Settings,
    *,
    arms: Sequence[str],
    n_rounds: int,
    n_threads: int,
    arms_dir: Path,
    say: Callable[[str], None],
) -> Result:
    """The result of every arm that can take part. Ours always does.

    paths: what is ingested. n_threads: that compute in each arm. arms_dir: where environments of other programs are.
    say: told of each run that is done.

    Raises:
        ConfigError: an arm does not exist, or there is nothing to ingest.
        EngineError: an arm failed, or did not embed every text.
    """
    if n_rounds < 1:
        raise ConfigError(f"{n_rounds} rounds measure nothing. Ask for at least one.")
    left_out = {arm: why for arm in arms if (why := leave_out(arm, arms_dir))}
    chosen = [OURS, *(arm for arm in dict.fromkeys(arms) if arm != OURS and arm not in left_out)]
    source = embedding_source(settings.embedding.model)
    facts = remembered_file(settings.data_dir, settings.embedding, source)
    encoder = RememberedEncoder(partial(load_encoder, settings.embedding), facts)  # for its tokenizer
    spec: Spec = {
        "model": source,
        "dtype": encoder.info.dtype,
        "n_threads": n_threads,
        "paths": list(paths),
        "collection": _COLLECTION,
        **settings.model_dump(mode="json", include={"embedding", "index", "ingest"}),
    }
    texts: list[str] = []
    ingested: Ingested | None = None
    samples: list[Sample] = []
    for number in range(1, n_rounds + 1):
        for arm in chosen if number % 2 else reversed(chosen):
            with tempfile.TemporaryDirectory(prefix="prefixrag-bench-") as folder:
                told = {**spec, "folder": folder, "sample": texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]}
                sample = run_arm(arm, told, texts, arms_dir=arms_dir, round_number=number)
                if ingested is None:  # ours is the first arm of the first round
                    ingested, texts = _published(Path(folder), encoder)
            _check(sample, texts)
            samples.append(sample)
            say(f"round {number}, {arm}: {sample.seconds:.1f} s")
    if ingested is None:
        raise AssertionError("ours runs in every round")
    return Result(ingested=ingested, samples=tuple(samples), left_out=left_out)


def _published(data_dir: Path, encoder: Encoder) -> tuple[Ingested, list[str]]:
    """What was ingested into `data_dir`, and the different texts that were embedded, in the documents' order."""
    store = Store(data_dir)
    try:
        with store.pin(_COLLECTION) as generation:
            documents = [known for _, known in generation.documents()]
            chunks, embedded = generation.ordered_chunks(), generation.embedded_texts()
    finally:
        store.close()
    texts = list(dict.fromkeys(embedded))
    ingested = Ingested(
        model=encoder.info.model,
        dtype=encoder.info.dtype,
        n_documents=len(documents),
        # Documents of one archive all have its size.
        n_bytes=sum({known.sha256: known.size for known in documents}.values()),
        n_chunks=len(chunks),
        n_texts=len(texts),
        n_tokens=sum(len(each.ids) for each in encoder.tokenizer.encode_batch(texts)),
    )
    return ingested, texts


def _check(sample: Sample, texts: Sequence[str]) -> None:
    """Nothing; the arm has done all of the work.

    Raises:
        EngineError: it has not.
    """
    if sample.said["embedded"] != len(texts):
        raise EngineError(
            f"{sample.arm} embedded {sample.said['embedded']} of {len(texts)} texts, so its time says nothing. "
            "Leave it out by --arms."
        )
