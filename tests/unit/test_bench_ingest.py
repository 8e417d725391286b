"""The bench of ingest: what it gives to whom, how it counts, and the real arms under `make test-arms`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rag.bench.ingest import environments
from rag.bench.ingest.plots import write_plots
from rag.bench.ingest.process import ARMS, Sample, run_arm
from rag.bench.ingest.report import arm_figures, document, stage_figures, tables
from rag.bench.ingest.run import Ingested, Result, bench_ingest
from rag.bench.ingest.source import write_passages
from rag.errors import ConfigError, EngineError
from rag.settings import Settings

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "data" / "bench"  # where `make bench-arms` puts what is compared with
QUIET = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__URLS": '["http://127.0.0.1:9"]'}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"Text number {number}, which nobody else has.\n")
    (folder / "again.txt").write_text("Text number 0, which nobody else has.\n")
    return folder


def rag(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rag", "bench", "ingest", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **QUIET},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def sample(arm: str, number: int, seconds: float, *, peak_mb: float = 300.0, **said: Any) -> Sample:
    facts = {"embedded": 10, "dtype": "float32", "n_threads": 2, "versions": {}, **said}
    return Sample(
        arm=arm, round_number=number, seconds=seconds, cpu_s=2 * seconds, loaded_mb=200.0, peak_mb=peak_mb, said=facts
    )


@pytest.fixture
def result() -> Result:
    return Result(
        ingested=Ingested(
            model="m", dtype="float32", n_documents=5, n_bytes=2_000_000, n_chunks=12, n_texts=10, n_tokens=1000
        ),
        samples=(
            sample("ours", 1, 2.0, stages={"read": 0.5, "publish": 0.0}),
            sample("bare", 1, 3.0, batch_size=8),
            sample("bare", 2, 8.0, batch_size=16, peak_mb=500.0),
            sample("ours", 2, 4.0, stages={"read": 1.5, "publish": 0.0}),
        ),
        left_out={"haystack": "It is not there."},
    )


def test_a_real_run_counts_what_it_ingested_and_says_what_was_left_out(docs: Path) -> None:
    done = rag(docs.parent, "docs", "--arms", "llamaindex,haystack", "--out", "out.json", "--json")

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == json.loads((docs.parent / "out.json").read_text("utf-8"))
    # Two files have the same text, which is embedded once.
    counts = {name: said["ingested"][name] for name in ("n_documents", "n_chunks", "n_texts")}
    assert counts == {"n_documents": 6, "n_chunks": 6, "n_texts": 5}
    assert said["ingested"]["n_tokens"] > 5 * 7
    assert [(run["arm"], run["round_number"]) for run in said["runs"]] == [("ours", 1), ("ours", 2)]
    assert {"read", "chunk", "embed", "store", "publish", "whole"} <= {each["stage"] for each in said["stages"]}
    assert [(each["arm"], each["ours_is"]) for each in said["arms"]] == [("ours", 1.0)]
    assert 0 < said["arms"][0]["loaded_mb"] <= said["arms"][0]["peak_mb"]
    assert set(said["left_out"]) == {"llamaindex", "haystack"}
    assert "make bench-arms" in said["left_out"]["haystack"]


def test_an_arm_that_fails_is_told_by_its_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "llamaindex"
    (folder / "bin").mkdir(parents=True)
    ours = folder / "bin" / "python"  # which lacks what the arm needs
    ours.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    ours.chmod(0o755)
    (folder / "made-from").write_text(environments._mark(environments.LOCKS / "llamaindex.txt"), "utf-8")

    with pytest.raises(EngineError, match=r"process of llamaindex ended: .*llama_index"):
        run_arm("llamaindex", {}, [], arms_dir=tmp_path, round_number=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("docs", "--arms", "nothing"), "There is no arm 'nothing'"),
        (("elsewhere",), "'elsewhere' does not exist"),
        ((), "nothing to ingest"),
        (("docs", "--out", "no/out.json"), "'no' does not exist"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(docs: Path, arguments: Any, words: str) -> None:
    done = rag(docs.parent, *arguments)

    assert done.returncode == 2
    assert words in done.stderr


def test_passages_are_files_of_their_own_and_each_is_there_once(tmp_path: Path) -> None:
    place = tmp_path / "sets" / "sea"
    place.mkdir(parents=True)
    rows = [{"_id": str(number), "title": "", "text": f"Passage {number // 2}."} for number in range(10)]
    (place / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (place / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "Which?"}), "utf-8")
    (place / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t0\t1", "utf-8")

    folder = write_passages(["sea"], tmp_path / "sets", 4, tmp_path / "files")

    assert [file.read_text("utf-8") for file in sorted(folder.rglob("*.txt"))] == [f"Passage {n}." for n in range(4)]


def test_ratios_are_those_of_the_rounds_and_memory_is_the_most_of_any(result: Result) -> None:
    ours, bare = arm_figures(result)

    assert (ours.arm, ours.seconds, ours.tokens_per_s, ours.ours_is) == ("ours", 3.0, 333.3, 1.0)
    assert ours.cpu_s == 6.0
    assert ours.stages == {"read": 1.0, "publish": 0.0}
    # 3 / 2 and 8 / 4; not 5.5 / 3.
    assert (bare.seconds, bare.least_s, bare.most_s, bare.ours_is) == (5.5, 3.0, 8.0, 1.75)
    assert (bare.peak_mb, bare.over_model_mb, bare.batch_size) == (500.0, 300.0, 8)


def test_rates_by_stage_are_amounts_over_its_seconds(result: Result) -> None:
    read, publish, whole = stage_figures(result)

    assert (read.stage, read.seconds, read.documents_per_s, read.mb_per_s) == ("read", 1.0, 5.0, 2.0)
    assert publish.tokens_per_s is None
    assert (whole.stage, whole.seconds, whole.chunks_per_s) == ("whole", 3.0, 4.0)


def test_the_document_is_json_and_the_tables_name_every_arm(result: Result) -> None:
    assert json.loads(json.dumps(document(result)))["runs"][1]["said"]["batch_size"] == 8
    text = "\n".join(tables(result))
    for words in ("5 documents of 2.0 MB, 12 chunks", "ours", "bare", "1.75x", "left out: haystack. It is not there."):
        assert words in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["read"] == ["1.00", "5", "12", "1,000", "2"]
    assert rows["publish"] == ["0.00", "-", "-", "-", "-"]


def test_plots_are_made(result: Result, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="it comes with prefixrag[bench]")
    files = write_plots(result, tmp_path / "plots")

    assert [file.name for file in files] == ["ingest_speed.png", "ingest_memory.png", "ingest_stages.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_an_environment_of_another_lock_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "haystack"
    folder.mkdir()
    (folder / "made-from").write_text("another lock", "utf-8")

    assert environments.python_of("haystack", tmp_path) is None
    with pytest.raises(ConfigError, match="no-such-program"):
        environments.install("no-such-program", tmp_path)


@pytest.mark.arms
@pytest.mark.timeout(900)
def test_every_arm_embeds_the_same_texts_with_the_same_torch(docs: Path, tmp_path: Path) -> None:
    for name in ("llamaindex", "haystack"):
        environments.install(name, INSTALLED)
    result = bench_ingest(
        [str(docs)],
        Settings(data_dir=tmp_path / "data"),
        arms=ARMS,
        n_rounds=1,
        n_threads=1,
        arms_dir=INSTALLED,
        say=lambda _: None,
    )

    assert result.left_out == {}
    assert [run.arm for run in result.samples] == list(ARMS)
    assert {run.said["embedded"] for run in result.samples} == {5}
    assert {run.said["dtype"] for run in result.samples if run.arm in {"ours", "bare"}} == {result.ingested.dtype}
    others = [run.said for run in result.samples if run.arm != "ours"]
    assert len({said["versions"]["torch"] for said in others}) == 1
    assert {said["n_threads"] for said in others} == {1}
