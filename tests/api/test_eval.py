"""`rag eval` as a whole, against a service on a real socket."""

import json
from pathlib import Path

import pytest

from rag.cli.frame import run

PASSAGES = {
    "harbour/1": "The harbour was founded by Anna Reeve.",
    "birds": "The swift spends its winter in Africa.",
    "pump": "The pump costs 85 euros.",
}
QUESTIONS = [
    {"_id": "who", "text": "Who founded the harbour?", "answers": ["Anna Reeve"]},
    {"_id": "where", "text": "Where does the swift spend its winter?", "answers": ["Africa"]},
    {"_id": "none", "text": "How heavy is the pump?", "answerable": False},
]
QRELS = "query-id\tcorpus-id\tscore\nwho\tharbour/1\t1\nwhere\tbirds\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three passages and three questions, of which one cannot be answered."""
    folder = tmp_path / "small"
    folder.mkdir()
    corpus = [{"_id": name, "title": "", "text": text} for name, text in PASSAGES.items()]
    for name, rows in (("corpus", corpus), ("queries", QUESTIONS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels.tsv").write_text(QRELS)
    return folder


@pytest.fixture
def rag(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        status = run([str(each) for each in arguments])
        return status, *capsys.readouterr()

    return call


def test_a_folder_is_ingested_asked_and_measured(rag, serve_fake, folder: Path, tmp_path: Path) -> None:
    reply, own = "The harbour was founded by Anna Reeve.", {"data_dir": tmp_path / "data"}
    with serve_fake(reply, settings=own) as (url, fake):
        status, out, _ = rag("eval", folder, "-c", "small", "--ingest", "--url", url, "--out", "a.json", "--json")
        again = rag("eval", "--url", url, "-c", "small", folder, "--ingest")
        tables = rag("eval", folder, "-c", "small", "--url", url)
    done = json.loads(out.splitlines()[-1])
    rows = {row["id"]: row for row in done["rows"]}

    assert status == 0
    assert done == json.loads(Path("a.json").read_text())
    assert (done["questions"], done["answerable"], done["failed"]) == (3, 2, 0)
    assert all(sampling.temperature == 0 for sampling in fake.samplings[-2 * len(QUESTIONS) :])
    assert rows["who"]["retrieved"][0] == "harbour%2F1.md"
    assert rows["who"]["text"] == reply
    values = {name: each["value"] for name, each in done["measures"].items()}
    assert values["recall@1"] == values["gold_in_prompt"] == values["mrr"] == 1
    assert (values["answer_contains"], values["answer_f1"]) == (1 / 2, pytest.approx(2 * 2 / (6 + 2) / 2))
    assert values["citation_verified"] == values["statements_cited"] == 1
    assert values["citation_gold"] == 1 / 2  # of the two answerable questions
    assert done["citations"]["by_status"] == {"exact": 3}
    assert set(done["latency_ms"]) == {"first_token", "total"}
    assert (again[0], "There is a collection 'small' already" in again[2]) == (2, True)
    assert tables[0] == 0
    assert "answer_contains" in tables[1]
    assert "first token" in tables[1]


def test_two_runs_are_compared(rag, serve_fake, folder: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serve_fake("Nobody knows.", settings={"data_dir": data_dir}) as (url, _):
        rag("eval", folder, "-c", "small", "--ingest", "--url", url, "--out", "a.json")
    with serve_fake("It was Anna Reeve, in Africa.", settings={"data_dir": data_dir}) as (url, _):
        rag("eval", folder, "-c", "small", "--url", url, "--out", "b.json")
    status, out, _ = rag("eval", "compare", "a.json", "b.json", "--json")
    found = {each["measure"]: each for each in json.loads(out)["measures"]}
    table = rag("eval", "compare", "a.json", "b.json")

    assert status == table[0] == 0
    assert (found["answer_contains"]["a"], found["answer_contains"]["b"], found["answer_contains"]["n"]) == (0, 1, 2)
    assert found["recall@1"]["difference"] == 0
    assert "answer_contains" in table[1]
    assert "B - A" in table[1]


def test_questions_that_fail_are_listed_and_the_rest_is_measured(rag, serve_fake, folder: Path, tmp_path: Path) -> None:
    with serve_fake("Anna Reeve.", settings={"data_dir": tmp_path / "data"}) as (url, _):
        rag("eval", folder, "-c", "small", "--ingest", "--url", url)
        with (folder / "queries.jsonl").open("a") as file:
            file.write(json.dumps({"_id": "long", "text": "why " * 20_000, "answers": ["x"]}) + "\n")
        status, out, _ = rag("eval", folder, "-c", "small", "--url", url, "--concurrency", 1)
        as_json = rag("eval", folder, "-c", "small", "--url", url, "--json")

    assert status == as_json[0] == 1
    assert "failed: 1" in out
    assert "long: BadRequestError" in out
    assert json.loads(as_json[1].splitlines()[-1])["failed"] == 1
    assert json.loads(as_json[1].splitlines()[-1])["measures"]["answer_contains"] == {"value": 1 / 2, "n": 2}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("nowhere",), 2, "The folder 'nowhere' does not exist"),
        (("small", "--out", "no/such/a.json"), 2, "the folder 'no/such' does not exist"),
        (("small", "--url", "http://127.0.0.1:9"), 3, "No service answers"),
        (("compare", "small/qrels.tsv", "b.json"), 2, "is no run of `rag eval`"),
    ],
)
def test_what_is_wrong_is_told(rag, folder: Path, arguments: tuple[str, ...], status: int, says: str) -> None:
    ended, _, err = rag("eval", *arguments)
    assert ended == status
    assert says in err
