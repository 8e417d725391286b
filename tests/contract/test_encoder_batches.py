"""The real encoder's own batches: the vectors are those of sentence-transformers, however they are computed."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from tokenizers import Tokenizer

from rag.embed.encoder import SentenceEncoder
from rag.models import embedding_source
from rag.settings import EmbeddingSettings

MODEL = embedding_source("all-MiniLM-L6-v2")
SENTENCES = ("The tide is high.", "", "Ebbe und Flut — 潮汐", "Parcels leave on Monday, and invoices are paid by card.")
TEXTS = [" ".join([sentence] * n) for n in (1, 9, 3, 40) for sentence in SENTENCES]


def encoder_of(source: str = MODEL, *, device: str = "cpu", lanes: int | None = 1) -> SentenceEncoder:
    settings = EmbeddingSettings(model=source, device=device, dtype="float32", batch_tokens=300)
    return SentenceEncoder(settings, source, n_threads=1, n_lanes=lanes)


def changed(folder: Path, **files: dict[str, object]) -> str:
    """A copy of the model whose JSON files have other values."""
    shutil.copytree(MODEL, folder)
    for name, values in files.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return str(folder)


PROMPTS = {"query": "search for: ", "passage": "a passage that says: "}


def prompted(folder: Path) -> str:
    """A model with prompts that the mean leaves out."""
    transformer = SentenceTransformer(MODEL, device="cpu")[0]
    pooling = Pooling(transformer.get_embedding_dimension(), include_prompt=False)
    SentenceTransformer(modules=[transformer, pooling], prompts=PROMPTS, device="cpu").save(str(folder))
    return str(folder)


def static(folder: Path) -> str:
    """A model that is a table of words."""
    table = StaticEmbedding(Tokenizer.from_file(f"{MODEL}/tokenizer.json"), embedding_dim=32)
    SentenceTransformer(modules=[table], device="cpu").save(str(folder))
    return str(folder)


def default_prompt(folder: Path) -> str:
    """A model with one prompt for everything, padded on the left."""
    prompts = {"prompts": {"any": "text: "}, "default_prompt_name": "any"}
    return changed(folder, config_sentence_transformers=prompts, tokenizer_config={"padding_side": "left"})


@pytest.mark.parametrize("make", [lambda _: MODEL, prompted, default_prompt, static])
def test_vectors_are_those_of_the_library(tmp_path: Path, make: Callable[[Path], str]) -> None:
    source = make(tmp_path / "model")
    encoder, library = encoder_of(source, lanes=2), SentenceTransformer(source, device="cpu")
    planned = encoder.plan(TEXTS)
    for ours, theirs in (
        (encoder.encode_documents(TEXTS), library.encode_document),
        (encoder.encode_queries(TEXTS), library.encode_query),
    ):
        assert sorted(row for batch in planned for row in batch) == list(range(len(TEXTS)))
        for batch in planned:  # padded on the left, a vector depends on what stands beside it
            expected = theirs([TEXTS[row] for row in batch], normalize_embeddings=True)
            assert np.abs(ours[list(batch)] - expected).max() < 1e-5
    assert encoder.max_tokens > 200
    assert (len(planned) > 3) == (make is not static)


def test_vectors_are_the_same_bit_for_bit_on_any_number_of_lanes_and_devices() -> None:
    alone = encoder_of()
    vectors = alone.encode_documents(TEXTS)
    several = encoder_of(lanes=3)
    devices = encoder_of(device="cpu,cpu", lanes=None)
    assert (alone.at_once, devices._lanes.n_most) == (1, 2)
    assert encoder_of(device="cpu,cpu")._lanes.n_most == 1  # as a service has it
    assert devices.plan(TEXTS) == several.plan(TEXTS) == alone.plan(TEXTS)
    for encoder in (several, devices):
        assert (encoder.encode_documents(TEXTS) == vectors).all()
    for batch in alone.plan(TEXTS):  # each batch by itself, wherever it is computed
        assert (several.encode_documents([TEXTS[row] for row in batch]) == vectors[list(batch)]).all()


def test_many_threads_may_call_at_once() -> None:
    encoder = encoder_of(lanes=16)
    assert encoder.at_once == 3
    with ThreadPoolExecutor(3) as executor:
        results = list(executor.map(encoder.encode_documents, [TEXTS] * 6))
    assert all((result == results[0]).all() for result in results)


def test_an_encoder_that_was_closed_computes_nothing() -> None:
    encoder = encoder_of()
    encoder.close()
    with pytest.raises(CancelledError):
        encoder.encode_documents(TEXTS)
