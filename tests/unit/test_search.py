"""Meaning and words together: one score, one order, each text once; and a re-ranker that reads the best."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from rag.embed import FakeEncoder
from rag.embed.encoder import SentenceEncoder
from rag.errors import ConfigError
from rag.models import embedding_source
from rag.retrieve import Meant, Reranker, find, readable_share
from rag.retrieve.fuse import COSINE_WEIGHT, fuse, weighted_sum
from rag.settings import EmbeddingSettings
from rag.store import Document, EmbeddingInfo, NewChunk, Store
from rag.types import Anchor, Match

TEXTS = ("error E4711 in the pump", "the pump is loud", "the tide is high", "the pump is loud", "nothing at all")
ENCODER = FakeEncoder()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("data"))
    with opened.draft("default", EmbeddingInfo(model="fake", dimensions=64, dtype="float32")) as draft:
        for number, (text, vector) in enumerate(zip(TEXTS, ENCODER.encode_documents(TEXTS), strict=True)):
            document = Document(root="/", path=f"{number}.txt", title=None, sha256=text, size=1, recipe="1", text=text)
            draft.put(document, [NewChunk(start=0, end=len(text), anchor=Anchor())], vector[None])
        draft.publish()
    yield opened
    opened.close()


def meant(text: str, *, like: str | None = None, readable: float = 1.0) -> Meant:
    """A question whose vector is that of another text."""
    return Meant(texts=((text, 1.0),), vector=ENCODER.encode_queries([like or text])[0], readable=readable)


def documents(store: Store, question: Meant, **options) -> list[str]:
    with store.pin("default") as generation:
        hits = find(question, generation, **{"mode": "hybrid", "top_k": 10, **options})
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert all(one.score >= other.score for one, other in itertools.pairwise(hits))
    assert all(hit.score <= 1 for hit in hits)
    return [hit.chunk.document for hit in hits]


def test_words_bring_up_what_meaning_misses(store: Store) -> None:
    question = meant("E4711", like="the tide")
    assert documents(store, question, mode="dense")[0] == "2.txt"
    assert documents(store, question, mode="lexical") == ["0.txt"]
    assert documents(store, meant("E4711", like="the tide", readable=0.0))[0] == "0.txt"


def test_a_text_that_stands_in_two_documents_is_found_once(store: Store) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        found = documents(store, meant("the pump is loud"), mode=mode)
        assert found[0] == "1.txt"
        assert "3.txt" not in found
    assert len(documents(store, meant("the pump is loud"), top_k=4)) == 4  # all that differ


def test_only_allowed_chunks_are_found_by_either(store: Store) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        assert documents(store, meant("the pump is loud"), mode=mode, allowed=frozenset({3, 2}))[0] == "3.txt"
        assert set(documents(store, meant("the pump"), mode=mode, allowed=frozenset({2}))) <= {"2.txt"}


def test_a_hit_knows_its_place_in_each_search(store: Store) -> None:
    question = meant("E4711", like="the tide is high")
    with store.pin("default") as generation:
        by_mode = {
            mode: {hit.chunk.document: hit for hit in find(question, generation, mode=mode, top_k=10)}
            for mode in ("hybrid", "dense", "lexical")
        }
    tide, pump = by_mode["hybrid"]["2.txt"], by_mode["hybrid"]["0.txt"]
    assert tide.match == Match(meaning_rank=1, words_rank=None, meaning_weight=COSINE_WEIGHT, words_share=0.0)
    assert pump.match is not None
    assert (pump.match.words_rank, pump.match.words_share) == (1, 1.0)
    for hit in by_mode["hybrid"].values():
        weight, cosine = hit.match.meaning_weight, max(hit.cosine, 0.0)
        assert hit.score == pytest.approx(weight * cosine + (1 - weight) * hit.match.words_share, abs=1e-6)
    assert by_mode["dense"]["2.txt"].match == Match(
        meaning_rank=1, words_rank=None, meaning_weight=1.0, words_share=0.0
    )
    assert by_mode["lexical"]["0.txt"].match == Match(
        meaning_rank=None, words_rank=1, meaning_weight=0.0, words_share=1.0
    )


def test_without_words_found_scores_are_cosines() -> None:
    assert fuse({1: 0.4, 2: 0.6}, {}, cosine_weight=0.8) == ((2, 0.6), (1, 0.4))


def test_the_score_is_made_of_cosine_and_share_of_the_best_words() -> None:
    scores = dict(fuse({1: 0.5, 2: 0.5, 3: -0.2}, {2: 8.0, 3: 4.0}, cosine_weight=0.8))
    assert scores == pytest.approx({1: 0.4, 2: 0.6, 3: 0.1})


def test_searches_add_up_by_weight() -> None:
    assert weighted_sum([(1.0, [(1, 2.0)]), (0.5, [(1, 2.0), (2, 4.0)])]) == {1: 3.0, 2: 2.0}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("How long does a refund take?", 0.99, 1),
        ("Wie lange dauert eine Rückerstattung?", 0.99, 1),
        ("退款需要多长时间", 0, 0.05),
        ("كم من الوقت يستغرق استرداد الأموال", 0, 0.05),
        ("", 1, 1),
    ],
)
def test_the_tokenizer_tells_what_the_model_can_read(tokenizer: Tokenizer, text: str, low: float, high: float) -> None:
    assert low <= readable_share(text, tokenizer) <= high


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    settings = EmbeddingSettings()
    return SentenceEncoder(settings, embedding_source(settings.model)).tokenizer


def tiny_model(folder: Path, n_labels: int) -> str:
    """A cross-encoder with random weights."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "pump", "tide", "is", "loud", "high", "error", "in"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, num_labels=n_labels, initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


def test_a_reranker_orders_the_best_by_its_own_score(store: Store, tmp_path: Path) -> None:
    reranker = Reranker(tiny_model(tmp_path / "model", 1), n_read=4, device="cpu")
    with store.pin("default") as generation:
        plain = find(meant("the pump"), generation, mode="hybrid", top_k=4)
        hits = find(meant("the pump"), generation, mode="hybrid", top_k=2, reranker=reranker)
    expected = reranker.rerank("the pump", [(hit.chunk, hit.score) for hit in plain])
    assert [(hit.chunk, hit.score) for hit in hits] == expected[:2]
    assert 0 <= hits[1].score <= hits[0].score <= 1
    assert len({score for _, score in expected}) > 1
    assert reranker.rerank("nothing", []) == []


def test_a_reranker_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"retrieve\.reranker"):
        Reranker(str(tmp_path / "missing"), n_read=4)
    with pytest.raises(ConfigError, match="2 scores"):
        Reranker(tiny_model(tmp_path / "two", 2), n_read=4)


def test_vectors_of_what_words_found_are_their_cosines(store: Store) -> None:
    question = meant("E4711", like="the tide")
    with store.pin("default") as generation:
        hits = {hit.chunk.seq: hit.score for hit in find(question, generation, mode="hybrid", top_k=10)}
        cosine = float((generation.vectors([0]) @ question.vector)[0])
    assert hits[0] == pytest.approx(0.7 * max(cosine, 0) + 0.3)
    assert np.isfinite(list(hits.values())).all()
