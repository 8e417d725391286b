"""The bench of prompt layouts on a real vLLM: what the engine counts is what the bench reports."""

import json
from pathlib import Path

import pytest

from rag.bench.reuse.sets import read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.reuse.workload import make_workload
from rag.cli.frame import run as rag
from rag.embed import FakeEncoder
from rag.settings import EmbeddingSettings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

TREES = ("apple", "birch", "cedar", "elder", "hazel", "larch")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of six passages and as many questions; its vectors lie there, so no embedding model is loaded."""
    folder = tmp_path / "sets" / "trees"
    folder.mkdir(parents=True)
    passages = [
        {"_id": name, "title": name, "text": f"The {name} has grown here for years. " * (4 + number)}
        for number, name in enumerate(TREES)
    ]
    questions = [{"_id": f"q{name}", "text": f"Where does the {name} grow?"} for name in TREES]
    for name, rows in (("corpus", passages), ("queries", questions)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *(f"q{n}\t{n}\t1" for n in TREES)]))
    files = VectorFiles(tmp_path / "vectors", EmbeddingSettings(), FakeEncoder)
    make_workload(read_set("trees", tmp_path / "sets"), files, order="once", n_requests=6, top_k=4, n_groups=1, seed=1)
    return tmp_path


def test_the_engine_counts_what_the_bench_reports(
    service, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"bench reuse --data {data}/sets --set trees --cache {data}/vectors --data-dir {tmp_path}/data --top-k 4"
    more = f"--arms off,retrieval,cacheweaver --rounds 2 --engine-url {service.engine_url} --json"
    assert rag([*words.split(), *more.split()]) == 0

    document = json.loads(capsys.readouterr().out)
    runs, by_arm = document["runs"], {each["arm"]: each for each in document["summaries"]}
    assert [(run["round"], run["arm"]) for run in runs] == [
        (1, "off"), (1, "retrieval"), (1, "cacheweaver"), (2, "cacheweaver"), (2, "retrieval"), (2, "off"),
    ]  # fmt: skip
    for run in runs:
        samples = run["samples"]
        uncached = sum(samples["prompt_tokens"]) - sum(samples["cached_tokens"])
        assert run["counted_tokens"] == uncached
        assert all(time_ms > 0 for time_ms in samples["first_token_ms"])
    assert by_arm["off"]["hit_ratio"] == 0
    # A prompt of the same arm stands in the cache at least up to the first passage.
    assert 0 < by_arm["retrieval"]["hit_ratio"] <= by_arm["cacheweaver"]["hit_ratio"]
    assert by_arm["retrieval"]["gold_shown"] == by_arm["cacheweaver"]["gold_shown"] == 1
