"""What every encoder promises, the real one and the fake."""

import asyncio
import json
import shutil

import numpy as np
import pytest

from rag.embed import Batcher, Encoder, FakeEncoder
from rag.embed.encoder import SentenceEncoder
from rag.errors import Overloaded
from rag.models import embedding_source
from rag.settings import EmbeddingSettings

TEXTS = ["The tide is high.", "Ebbe und Flut — 潮汐", "", "word " * 2000, "The tide is high."]


@pytest.fixture(scope="module", params=["fake", "real"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    settings = EmbeddingSettings()
    return FakeEncoder() if request.param == "fake" else SentenceEncoder(settings, embedding_source(settings.model))


def test_vectors_are_unit_rows_of_the_size_it_says(encoder: Encoder) -> None:
    for vectors in (encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.info.dimensions)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.encode_documents([]).shape == (0, encoder.info.dimensions)


def test_a_text_has_one_vector_whatever_stands_beside_it(encoder: Encoder) -> None:
    together = encoder.encode_documents(TEXTS)
    assert together[0] == pytest.approx(together[-1], abs=1e-3)
    for text, vector in zip(TEXTS, together, strict=True):
        assert encoder.encode_documents([text])[0] @ vector == pytest.approx(1, abs=1e-3)


def test_likeness_follows_the_words(encoder: Encoder) -> None:
    query = encoder.encode_queries(["When is the tide high?"])[0]
    near, far = encoder.encode_documents(["The tide is high at noon.", "Invoices are paid by card."])
    assert query @ near > query @ far


def test_its_tokenizer_counts_without_cutting(encoder: Encoder) -> None:
    assert len(encoder.tokenizer.encode("word " * 2000).ids) >= 2000
    assert encoder.max_tokens > 0
    assert encoder.info.model


def test_vectors_are_cut_only_to_lengths_below_their_own(encoder: Encoder) -> None:
    assert all(0 < length < encoder.info.dimensions for length in encoder.shorter_dimensions)


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        ({}, (), []),
        ({"matryoshka_dimensions": [64, 128]}, (), [64, 128]),
        ({"is_matryoshka": True}, (), list(range(1, 384))),
        ({"is_matryoshka": True}, (256,), [256]),
    ],
)
def test_the_model_or_a_setting_says_which_lengths_it_is_trained_for(tmp_path, config, settings, expected) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedding_source("all-MiniLM-L6-v2"), folder)
    whole = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**whole, **config}))
    encoder = SentenceEncoder(EmbeddingSettings(model=str(folder), shorter_dimensions=settings), str(folder))
    assert list(encoder.shorter_dimensions) == expected


async def _many(batcher: Batcher) -> list[np.ndarray]:
    try:
        return await asyncio.gather(*(batcher.documents([f"text {n}"]) for n in range(32)), batcher.queries(["text 3"]))
    finally:
        await batcher.close()


def test_a_batcher_gives_each_caller_its_own_vectors(encoder: Encoder) -> None:
    results = asyncio.run(_many(Batcher(encoder, batch_tokens=1024, max_queue=64)))
    for number in range(32):
        alone = encoder.encode_documents([f"text {number}"])
        assert float((results[number] * alone).sum()) == pytest.approx(1, abs=1e-3)


class CountingEncoder(FakeEncoder):
    """Notes the size of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode_documents(self, texts):
        self.batches.append(len(texts))
        return super().encode_documents(texts)


def test_callers_that_come_together_share_batches_and_gone_ones_cost_nothing() -> None:
    encoder = CountingEncoder()

    async def run() -> None:
        batcher = Batcher(encoder, batch_tokens=10_000, max_queue=64)
        callers = [asyncio.ensure_future(batcher.documents([f"text {n}"])) for n in range(20)]
        await asyncio.sleep(0)
        for caller in callers[10:]:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await batcher.close()

    asyncio.run(run())
    assert sum(encoder.batches) <= 20
    assert len(encoder.batches) <= 3


def test_a_full_queue_is_refused_at_once() -> None:
    async def run() -> list[object]:
        batcher = Batcher(FakeEncoder(), batch_tokens=64, max_queue=4)
        calls = (batcher.documents([f"text {n}"]) for n in range(12))
        results = await asyncio.gather(*calls, return_exceptions=True)
        await batcher.close()
        return results

    results = asyncio.run(run())
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert refused
    assert len(refused) < len(results)
    assert refused[0].retry_after_s >= 1
