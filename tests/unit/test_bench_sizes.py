"""Indexes over spans of a set: each kind measured, its vectors kept, and mixtures where spans run out."""

import json
import random
from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.bench.sizes import SizeResult, Wanted, bench_sizes, write_plots
from rag.bench.sizes.mixtures import unit, write_mixed
from rag.bench.sizes.spans import embed_spans, spans
from rag.embed import FakeEncoder
from rag.settings import EmbeddingSettings
from rag.store import IndexKind

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


def bench(sets: Path, cache: Path, kinds: Sequence[IndexKind], heard: list[str]) -> list[SizeResult]:
    return bench_sizes(
        Wanted(sets=["sea"], sizes=[N], real=[500], kinds=kinds, n_questions=50),
        EmbeddingSettings(),
        data=sets,
        cache=cache,
        keep=cache / "kept",
        load=FakeEncoder,
        say=heard.append,
    )


def test_each_kind_that_a_size_may_have_is_measured_and_built_once(sets: Path, tmp_path: Path) -> None:
    heard = list[str]()
    results = bench(sets, tmp_path, tuple(IndexKind), heard)
    # 2,000 vectors of 64 components are too few to be compressed.
    assert [(each.n_vectors, each.n_mixtures, each.kind) for each in results] == [
        (N, 1500, "exact"),
        (N, 1500, "lists"),
    ]
    for each in results:
        assert each.recall_at_10 >= 0.9
        assert each.disk_mb >= 2 * 64 * N / 1e6
        assert 0 < each.p50_ms <= each.p99_ms
        assert 1 <= each.n_read <= each.n_lists
    assert any("mixtures" in line for line in heard)

    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("vectors.*")}
    (again,) = bench(sets, tmp_path, [IndexKind.LISTS], heard)
    assert (again.recall_at_10, again.build_s) == (results[1].recall_at_10, results[1].build_s)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("vectors.*")} == kept


def test_spans_are_of_every_length_and_place_and_each_is_embedded_once(tmp_path: Path) -> None:
    encoder, file = FakeEncoder(), tmp_path / "spans.f16"
    every = list(spans(texts()))
    assert len(set(every)) == len(every) == 1293
    assert set(texts()) < set(every)
    assert {len(span.split()) for span in every} == {60, 52, 45, 39, 33, 28, 24, 20, 17, 14, 12, 10, 8}

    assert embed_spans(texts(), 300, encoder, file) == 300
    file.write_bytes(file.read_bytes() + b"half a row")  # as an interrupted call leaves it
    assert embed_spans(texts(), N, encoder, file) == 1293
    assert embed_spans(texts(), 300, encoder, file) == 300
    assert encoder.n_encoded == 1293
    rows = np.fromfile(file, np.float16).reshape(-1, 64)
    first = FakeEncoder().encode_documents(list(islice(spans(texts()), 400)))
    assert np.array_equal(rows[:400], first.astype(np.float16))


def test_a_mixture_lies_as_near_to_its_real_vector_as_others_do(tmp_path: Path) -> None:
    chance, file = np.random.default_rng(1), tmp_path / "mixed.f16"
    places = np.repeat(chance.standard_normal((50, 64)), 10, axis=0)
    real = unit((places + 0.5 * chance.standard_normal(places.shape)).astype(np.float32)).astype(np.float16)
    write_mixed(real, N, file)

    rows = np.fromfile(file, np.float16).reshape(-1, 64)[:N]
    assert np.array_equal(rows[:500], real)
    mixed, own = rows[500:].astype(np.float32), np.tile(real.astype(np.float32), (3, 1))
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(1, abs=1e-2)
    similar = (mixed * own).sum(axis=1)
    neighbours = (real[:10].astype(np.float32) @ real[:10].astype(np.float32).T)[~np.eye(10, dtype=bool)]
    assert neighbours.mean() < similar.mean() < 0.99
    assert len(np.unique(rows, axis=0)) == N


def test_plots_are_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="it comes with prefixrag[bench]")
    ones: dict[str, Any] = {field.name: 1 for field in fields(SizeResult)} | {"kind": "lists"}
    results = [SizeResult(**ones | {"n_vectors": n, "n_mixtures": n - 100}) for n in (100, 1000)]
    files = write_plots(results, tmp_path / "plots")
    assert [file.name for file in files] == ["sizes_time.png", "sizes_recall.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
