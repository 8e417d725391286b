"""Indexes over spans of a set: each kind measured, its vectors kept, and mixtures where spans run out."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from rag.bench.sizes import bench_sizes
from rag.bench.sizes.spans import embed_spans, mix
from rag.embed import FakeEncoder
from rag.settings import EmbeddingSettings

N = 2000
WORDS = tuple(f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst")


def texts() -> list[str]:
    chance = random.Random(3)
    return [" ".join(chance.choices(WORDS, k=60)) for _ in range(3)]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    folder = tmp_path / "sets" / "sea"
    folder.mkdir(parents=True)
    passages = [{"_id": str(n), "title": "", "text": text} for n, text in enumerate(texts())]
    asked = [{"_id": f"q{n}", "text": " ".join(text.split()[5:15])} for n, text in enumerate(texts())]
    for name, rows in (("corpus", passages), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    gold = [f"q{n}\t{n}\t1" for n in range(3)]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *gold]), "utf-8")
    return folder.parent


def test_each_kind_that_a_size_may_have_is_measured(sets: Path, tmp_path: Path) -> None:
    heard = list[str]()
    results = bench_sizes(
        ["sea"],
        [N],
        EmbeddingSettings(),
        n_questions=50,
        data=sets,
        cache=tmp_path,
        load=FakeEncoder,
        say=heard.append,
    )
    # 2,000 vectors of 64 components are too few to be compressed.
    assert [(each.n_vectors, each.kind) for each in results] == [(N, "exact"), (N, "lists")]
    for each in results:
        assert each.recall_at_10 >= 0.9
        assert each.disk_mb >= 2 * 64 * N / 1e6
        assert 0 < each.p50_ms <= each.p99_ms
    assert any("mixtures" in line for line in heard)


def test_vectors_are_embedded_once_and_mixed_where_spans_run_out(tmp_path: Path) -> None:
    encoder, file = FakeEncoder(), tmp_path / "spans.f16"
    n_spans = embed_spans(texts(), N, encoder, file)
    assert n_spans < N
    mix(file, N, 64)

    assert embed_spans(texts(), N, encoder, file) == N
    assert encoder.n_encoded == n_spans
    rows = np.fromfile(file, np.float16).reshape(N, 64).astype(np.float32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-2)
    # A mixture is another vector than the one it stays near.
    similar = (rows[n_spans : 2 * n_spans] * rows[: N - n_spans][:n_spans]).sum(axis=1)
    assert (similar > 0.9).all()
    assert (similar < 0.9999).any()
