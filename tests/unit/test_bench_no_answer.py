"""The curve of what thresholds refuse: read from sets, split in halves, and honest about what is missing."""

import json
from pathlib import Path

import pytest

from rag.bench.no_answer import THRESHOLDS, bench_no_answer, table
from rag.bench.reuse.vectors import VectorFiles
from rag.embed import FakeEncoder
from rag.errors import ConfigError
from rag.settings import EmbeddingSettings

TOPICS = ("tide", "anchor", "barometer", "compass", "harbour", "lantern", "mooring", "rudder", "sextant", "winch")


def write_set(folder: Path, topics: tuple[str, ...], *, impossible: tuple[str, ...] = ()) -> None:
    folder.mkdir()
    passages = [{"_id": topic, "title": topic, "text": f"The {topic} station {topic} works."} for topic in topics]
    asked = [
        {"_id": f"{topic}{n}", "text": f"When does the {topic} number {n} work?"} for topic in topics for n in range(4)
    ]
    asked += [{"_id": word, "text": f"Which {word} paints purple elephants?"} for word in impossible]
    for name, rows in (("corpus", passages), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    gold = [f"{topic}{n}\t{topic}\t1" for topic in topics for n in range(4)]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *gold]), "utf-8")


@pytest.fixture
def vectors(tmp_path: Path) -> VectorFiles:
    return VectorFiles(tmp_path / "vectors", EmbeddingSettings(), FakeEncoder)


def run(vectors: VectorFiles, data: Path, **options):
    given = {"embedding": "fake", "data": data, "set_name": "sea", "off_topic": ["land"], "max_wrong": 0.05, **options}
    return bench_no_answer(vectors, **given)


def test_each_kind_of_question_has_its_share_at_every_threshold(tmp_path: Path, vectors: VectorFiles) -> None:
    write_set(tmp_path / "sea", TOPICS, impossible=tuple("abcdefgh"))
    write_set(tmp_path / "land", ("tractor", "meadow"))
    result = run(vectors, tmp_path)
    assert 0 < result.n_answerable < 40
    assert 0 < result.n_unanswerable < 8
    assert result.n_off_topic == {"land": 8}
    assert [shares.threshold for shares in result.curve] == list(THRESHOLDS)
    for name in ("answerable", "unanswerable"):
        values = [getattr(shares, name) for shares in result.curve]
        assert values == sorted(values)
        assert all(0 <= value <= 1 for value in values)
    assert result.chosen is not None
    last = result.curve[-1]
    assert last.off_topic["land"] > last.answerable
    lines = table(result)
    assert len(lines) == 3 + len(THRESHOLDS)
    assert sum(line.endswith("<") for line in lines) == 1
    assert json.loads(json.dumps(result.as_dict()))["chosen"] == result.chosen


def test_a_set_without_unanswerable_questions_leaves_that_column_open(tmp_path: Path, vectors: VectorFiles) -> None:
    write_set(tmp_path / "sea", TOPICS)
    result = run(vectors, tmp_path, off_topic=[])
    assert result.n_unanswerable == 0
    assert {shares.unanswerable for shares in result.curve} == {None}
    assert table(result)[2].split()[-1] == "-" or "<" in table(result)[2]


def test_a_set_that_answers_nothing_is_refused(tmp_path: Path, vectors: VectorFiles) -> None:
    write_set(tmp_path / "sea", TOPICS)
    (tmp_path / "sea" / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n", "utf-8")
    with pytest.raises(ConfigError, match="no answered questions"):
        run(vectors, tmp_path, off_topic=[])
