"""What each command prints and how it ends. A small random model stands for the real ones."""

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag.cli.frame import run

OpenTerminal = Callable[..., Any]  # tests/conftest.py
RAG = [sys.executable, "-c", "from rag.cli import main; main()"]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Rag = Callable[..., Done]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights: equal texts have equal vectors, and that is all it knows."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    words = [
        "[UNK]",
        "[PAD]",
        "#",
        ".",
        "the",
        "The",
        "Refunds",
        "Money",
        "days",
        "office",
        "has",
        "a",
        "red",
        "door",
        *"[]12",
    ]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=512
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.fixture(scope="module")
def ingested(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents, a configuration file, and a data directory that the documents are in."""
    folder = tmp_path_factory.mktemp("ingested")
    (folder / "docs/guide").mkdir(parents=True)
    (folder / "docs/guide/refunds.md").write_text("# Refunds\n\nMoney comes back in ten days.\n")
    (folder / "docs/notes.txt").write_text("The office has a red door.\n")
    (folder / "rag.toml").write_text(
        f'[embedding]\nmodel = "{model}"\ndtype = "float32"\n[engine]\nmodel = "{model}"\n'
    )
    options = ["--config", str(folder / "rag.toml"), "--data-dir", str(folder / "data")]
    assert run(["ingest", str(folder / "docs"), *options]) == 0
    return folder


@pytest.fixture
def place(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `ingested` that is the working directory; the documents stay where they were."""
    shutil.copytree(ingested / "data", tmp_path / "data")
    shutil.copy(ingested / "rag.toml", tmp_path / "prefixrag.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rag(place: Path, capsys: pytest.CaptureFixture[str]) -> Rag:
    def call(*arguments: str) -> Done:
        capsys.readouterr()
        status = run(arguments)
        return Done(status, *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    "wrong",
    [
        (["ingest", "nowhere"], 2, "config_error", "'nowhere' cannot be ingested"),
        (["ingest", "empty"], 2, "config_error", "'empty' holds no documents"),
        (["ingest"], 2, "config_error", "name what to take in: PATH, or --sample"),
        (["ingest", "empty", "--fast"], 2, "config_error", "--fast"),
        (["search", "-k", "0", "x"], 2, "config_error", "greater than or equal to 1"),
        (["search"], 2, "config_error", "QUERY or --queries"),
        (["search", "x", "-c", "none"], 1, "collection_not_found", "no collection 'none'"),
        (["search", "--queries", "bad.jsonl"], 2, "config_error", "Line 2 of the queries"),
        (["ask", "x", "--url", "http://127.0.0.1:9"], 3, "engine_unavailable", "rag serve"),
        (["ask", "x", "--url", "http://[::1"], 2, "config_error", "is none"),
        (["collections", "show", "none"], 1, "collection_not_found", "no collection 'none'"),
        (["collections", "delete", "default"], 2, "config_error", "Add --yes"),
        (["config", "--config", "none.toml"], 2, "config_error", "'none.toml' does not exist"),
        (["serve", "--host", "0.0.0.0"], 2, "config_error", "--insecure-no-auth"),
        (["serve", "--host", "no.such.host.invalid", "--insecure-no-auth"], 2, "config_error", "is not known"),
        (["serve", "--port", "0", "--engine-url", "http://127.0.0.1:1"], 3, "engine_unavailable", "is not reachable"),
        (["serve", "--port", "0", "--engine-url", "nonsense"], 2, "config_error", "'nonsense' is none"),
        (["serve", "--port", "0", "--engine-url", "http://[::1"], 2, "config_error", "'http://[::1' is none"),
        (["serve", "--port", "0", "--model", "./nothing"], 2, "config_error", "'./nothing' is not a model"),
        (["search", "half a \udcff"], 2, "config_error", "is not UTF-8"),
        (["ask", "half a \udcff"], 2, "config_error", "is not UTF-8"),
        (["search", "x", "--data-dir", "bad.jsonl"], 2, "config_error", "'bad.jsonl' cannot be used"),
        (["ingest", "bad.jsonl", "--data-dir", "bad.jsonl"], 2, "config_error", "'bad.jsonl' cannot be used"),
        (["ingest", "bad.jsonl", "--data-dir", "half \udcff"], 2, "config_error", "is not named in UTF-8"),
        (["dance"], 2, "config_error", "dance"),
    ],
    ids=lambda wrong: " ".join(wrong[0]),
)
def test_what_is_wrong_has_a_message_and_a_code(rag: Rag, place: Path, wrong: tuple[list[str], int, str, str]) -> None:
    arguments, status, code, words = wrong
    (place / "empty").mkdir()
    (place / "bad.jsonl").write_text('{"id": 1, "query": "x"}\n{"id": 2}\n')

    plain = rag(*arguments)
    assert (plain.status, plain.out) == (status, "")
    assert plain.err.lstrip().startswith("error: ")
    assert words in plain.err

    if arguments[0] != "serve":  # its document stands at the start
        as_json = rag(*arguments, "--json")
        assert (as_json.status, as_json.err) == (status, plain.err)
        assert as_json.json["error"]["code"] == code
        assert words in as_json.json["error"]["message"]


@pytest.mark.parametrize("command", [["status"], ["config"], ["collections", "list"], ["ingest", "docs"]], ids=" ".join)
def test_an_unknown_setting_is_refused(
    rag: Rag, place: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (place / "wrong.toml").write_text("[server]\nprot = 1\n")
    in_file = rag(*command, "--config", "wrong.toml")
    monkeypatch.setenv("RAG_SERVER__PROT", "1")
    in_environment = rag(*command)

    assert in_file.status == in_environment.status == 2
    assert "server.prot is not a setting (from wrong.toml)" in in_file.err
    assert "'RAG_SERVER__PROT'" in in_environment.err


def test_the_embedded_model_has_defaults_that_anything_overrides(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    def top_k() -> tuple[int, str]:
        found = {each["name"]: each for each in rag("config", "--json").json["settings"]}["retrieve.top_k"]
        return found["value"], found["source"]

    assert top_k() == (10, "default")  # the file names another model
    monkeypatch.setenv("RAG_ENGINE__MODEL", "SmolLM2-135M-Instruct")
    assert top_k() == (5, "recommended for the model")
    monkeypatch.setenv("RAG_ENGINE__MODEL", "SmolLM2-135M-Instruct-bare")
    assert top_k() == (4, "recommended for the model")
    monkeypatch.setenv("RAG_RETRIEVE__TOP_K", "7")
    assert top_k() == (7, "environment")


def test_a_second_ingest_embeds_nothing_and_loads_no_model(ingested: Path, place: Path) -> None:
    show = (
        "import sys, json; from rag.cli.frame import run; run(sys.argv[1:]);"
        "print(json.dumps([*sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", show, "ingest", str(ingested / "docs"), "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    summary = json.loads(done.stdout)

    assert list(summary) == [
        "collection", "generation", "new", "changed", "moved", "unchanged", "removed", "skipped", "failed", "chunks",
        "embedded", "seconds",
    ]  # fmt: skip
    assert (summary["unchanged"], summary["embedded"], summary["generation"]) == (2, 0, 1)
    assert not {"torch", "transformers", "sentence_transformers"} & set(json.loads(done.stderr.splitlines()[-1]))


def test_a_failed_file_is_listed_and_the_rest_is_in(rag: Rag, ingested: Path, place: Path) -> None:
    shutil.copytree(ingested / "docs", place / "docs")
    (place / "docs/broken.pdf").write_bytes(b"%PDF-1.7 no more")
    for number in range(25):
        (place / f"docs/{number:02}.png").write_text("x")

    done = rag("ingest", "docs", "-c", "second")
    assert done.status == 1
    assert "2 new" in done.out
    assert "failed: 1\n  broken.pdf: " in done.out
    assert "skipped: 25\n  00.png: not a document type" in done.out
    assert "and 5 more" in done.out
    assert done.out.endswith("next: rag serve\n")

    summary = rag("ingest", "docs", "-c", "second", "--json")
    assert summary.status == 1
    assert [each["path"] for each in summary.json["failed"]] == ["broken.pdf"]
    assert len(summary.json["skipped"]) == 25


def test_a_dry_run_writes_nothing(rag: Rag, place: Path) -> None:
    (place / "more").mkdir()
    (place / "more/new.md").write_text("New words.")

    done = rag("ingest", "more", "--dry-run")

    assert (done.status, done.out) == (
        0,
        "plan: 1 new, 0 changed, 0 moved, 0 unchanged, 0 removed\nNothing was written.\n",
    )
    assert rag("collections", "--json").json["collections"][0]["documents"] == 2


def test_an_ingest_succeeds_without_a_chat_model(
    rag: Rag, ingested: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_ENGINE__MODEL", "./nothing")
    (place / "more.md").write_text("New words.")
    done = rag("ingest", "more.md", "--json")

    assert done.status == 0
    assert done.json["new"] == 1
    assert "note: chunks are not yet tokenised" in done.err
    assert rag("status", "--json").json["collections"][0]["tokens"] is None


def test_an_ingest_stores_the_tokens_of_the_chat_model(place: Path) -> None:
    (file,) = (place / "data/tokens").glob("*.db")

    assert file.stat().st_size > 0


def test_search_prints_hits(rag: Rag, place: Path) -> None:
    text = "The office has a red door."
    (place / "queries.jsonl").write_text(f'{json.dumps({"id": "q1", "query": text})}\n\n{{"id": 2, "query": ""}}\n')

    found = rag("search", text, "-k", "1", "--json").json
    assert {name: found[name] for name in ("collection", "generation", "query")} == {
        "collection": "default", "generation": 1, "query": text,
    }  # fmt: skip
    hit = dict(found["hits"][0])
    assert hit.pop("score") == pytest.approx(1, abs=1e-3)  # vectors are kept in 16 bits
    assert len(hit.pop("chunk_id")) > 8
    assert hit == {
        "rank": 1, "document": "notes.txt", "title": "notes", "anchor": {"line": 1},
        "source_start": 0, "source_end": len(text), "text": text,
    }  # fmt: skip

    first, second = map(json.loads, rag("search", "--queries", "queries.jsonl", "-k", "1").out.splitlines())
    assert first == {"id": "q1", **found}
    assert second == {"id": 2, "collection": "default", "generation": 1, "query": "", "hits": []}
    assert rag("search", text, "-k", "1").out == f"  1. 1.000  notes.txt, line 1\n     {text}\n"


def test_each_query_of_a_file_is_searched_for_itself(rag: Rag, place: Path) -> None:
    texts = ["The office has a red door.", "How are refunds paid?"]
    (place / "two.jsonl").write_text("".join(json.dumps({"id": text, "query": text}) + "\n" for text in texts))

    together = list(map(json.loads, rag("search", "--queries", "two.jsonl").out.splitlines()))

    assert together == [{"id": text, **rag("search", text, "--json").json} for text in texts]


def test_search_refuses_vectors_of_another_model(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_EMBEDDING__MODEL", "other")
    done = rag("search", "x")

    assert done.status == 1
    assert "embedding.model is 'other' now" in done.err


def test_collections(rag: Rag, ingested: Path) -> None:
    (listed,) = rag("collections", "list", "--json").json["collections"]
    assert listed["name"] == "default"
    assert rag("collections", "--json").json == {"collections": [listed]}
    assert rag("collections", "--json", "list").status == 2

    shown = rag("collections", "show", listed["id"], "--json").json
    assert shown | listed == shown
    assert shown["roots"] == [str(ingested / "docs")]
    assert [each["path"] for each in shown["files"]] == ["guide/refunds.md", "notes.txt"]
    assert "guide/refunds.md" in rag("collections", "show", "default").out

    assert (listed["failed"], shown["failures"]) == (0, [])

    deleted = rag("collections", "delete", "default", "--yes", "--json")
    assert deleted.json == {"deleted": {"id": listed["id"], "name": "default"}}
    assert "There are no collections" in rag("collections").out


def test_files_that_could_not_be_read_are_told_later_on(rag: Rag, place: Path) -> None:
    (place / "new").mkdir()
    (place / "new/bad.pdf").write_bytes(b"%PDF-1.7 and nothing behind it")
    assert rag("ingest", "new").status == 1

    (listed,) = rag("collections", "list", "--json").json["collections"]
    assert listed["failed"] == 1
    (failure,) = rag("collections", "show", "default", "--json").json["failures"]
    assert list(failure) == ["root", "path", "error", "since"]
    assert (failure["root"], failure["path"]) == (str(place / "new"), "bad.pdf")
    shown = rag("collections", "show", "default").out
    assert "1 files could not be read" in shown
    assert failure["since"] in shown
    assert failure["error"] in shown
    assert "files of default that could not be read: 1" in rag("status").out
    checks = {each["name"]: each for each in rag("doctor", "--json").json["checks"]}
    assert checks["files of 'default'"]["status"] == "warn"
    assert "'bad.pdf' first: damaged" in checks["files of 'default'"]["detail"]


def test_config_names_sources_and_hides_secrets(rag: Rag, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_ENGINE__API_KEY", "geheim")
    settings = rag("config", "--json", "--data-dir", "data").json["settings"]
    by_name = {each["name"]: each for each in settings}

    assert all(list(each) == ["name", "value", "source", "default", "description"] for each in settings)
    assert (by_name["data_dir"]["value"], by_name["data_dir"]["source"]) == ("data", "command line")
    assert (by_name["engine.model"]["value"], by_name["engine.model"]["source"]) == (str(model), "prefixrag.toml")
    assert (by_name["engine.api_key"]["value"], by_name["engine.api_key"]["source"]) == ("********", "environment")
    assert by_name["server.port"]["source"] == "default"
    assert "geheim" not in rag("config").out


def test_status_without_a_service(rag: Rag, model: Path) -> None:
    status = rag("status", "--json").json

    assert list(status) == ["version", "data_dir", "service", "engines", "embedding", "collections"]
    assert (status["service"], status["engines"]) == (None, [])
    assert status["embedding"] == {"model": str(model), "dimensions": 16, "dtype": "float32"}
    (collection,) = status["collections"]
    names = ["id", "name", "generation", "documents", "chunks", "tokens", "shared_prefix"]
    assert list(collection) == names
    assert collection["shared_prefix"]["tokens"] > collection["tokens"] > 0
    assert collection["shared_prefix"]["documents"] == 2
    shown = rag("status").out
    assert "service: none runs" in shown
    assert f"chat model: {model}" in shown


def test_rag_alone_goes_on_from_what_is_there(rag: Rag) -> None:
    done = rag()

    assert done.status == 0
    assert "Collection 'default' with 2 documents. No service runs.\n  rag serve " in done.out


COMMANDS = [
    [], ["ask", "x", "--url", "http://127.0.0.1:9"], ["status"], ["collections"], ["collections", "show", "default"],
    ["keys", "list"], ["config"], ["search", "red door"], ["ingest", "more"], ["completion", "bash"], ["--help"],
    ["top", "--url", "http://127.0.0.1:9"], ["chat", "--url", "http://127.0.0.1:9"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "rag")
def test_a_pipe_gets_no_colour_no_bars_and_tables_for_cut(rag: Rag, place: Path, command: list[str]) -> None:
    (place / "more").mkdir()
    (place / "more/new.md").write_text("New words.")
    done = rag(*command)
    shown = done.out + done.err

    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "\u2501" not in shown  # what rich draws bars with
    if command == ["collections"]:
        assert done.out.splitlines()[1].split("\t")[:1] == ["default"]


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_gets_tables_and_colour_unless_it_says_no(
    place: Path, open_terminal: OpenTerminal, environment: dict[str, str]
) -> None:
    terminal = open_terminal("doctor", cwd=place, RAG_SERVER__PORT="0", **environment)
    _, shown = terminal.end()

    assert "port: " in shown
    assert bool(re.search("\x1b\\[(?:[0-9]+;)*3[0-7]m", shown)) != bool(environment)
    assert "TERM" not in environment or "\x1b" not in shown


def test_doctor_finds_a_damaged_index(rag: Rag, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_SERVER__PORT", "0")
    whole = rag("doctor", "--json")
    (vectors,) = place.glob("data/collections/*/generations/*/vectors.faiss")
    vectors.write_bytes(b"nothing")
    damaged = rag("doctor")

    assert all(list(check) == ["name", "status", "detail", "cure"] for check in whole.json["checks"])
    assert {check["name"]: check["status"] for check in whole.json["checks"]}["collection 'default'"] == "ok"
    assert damaged.status == 1
    assert "fail  collection 'default': A file of the index is damaged" in damaged.out
    assert "-> rag collections delete vs_" in damaged.out


def test_doctor_looks_on_when_a_setting_is_wrong(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_SERVER__PROT", "1")
    done = rag("doctor", "--json")
    found = {check["name"]: check["status"] for check in done.json["checks"]}

    assert done.status == 1
    assert (found["python"], found["configuration"]) == ("ok", "fail")


def test_a_bug_leaves_its_traceback_in_a_file(rag: Rag, place: Path) -> None:
    (place / "data/FORMAT").unlink()
    (place / "data/FORMAT").mkdir()
    done = rag("collections", "--json", "--data-dir=data")

    assert done.status == 1
    assert done.json["error"]["code"] == "internal_error"
    assert done.err.count("\n") == 1
    assert "This is a bug" in done.err
    assert "Traceback" in (place / "data/run/crash.log").read_text()
    assert str(Path("data/run/crash.log")) in done.err


def test_a_broken_pipe_is_quiet(place: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*RAG, "config", "--json"], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)

    assert done.stderr == b""
    assert done.returncode != 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_is_no_bug_and_searches_go_on(
    rag: Rag, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (place / "new.md").write_text("# The red office\n")
    honest = Path.mkdir

    def refuse(path: Path, *args: object, **keywords: object) -> None:
        if path.name == "run":
            raise OSError(number, os.strerror(number), str(path))
        honest(path, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refuse)
    done = rag("serve", "--port", "0", "--engine-url", "http://127.0.0.1:1")
    assert done.status == 1
    assert os.strerror(number) in done.err
    assert "Free space" in done.err
    assert "bug" not in done.err
    assert rag("search", "red door").status == 0


def test_a_full_disk_leaves_the_last_generation(rag: Rag, place: Path) -> None:
    (place / "new.md").write_text("The office has a red door. " * 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, limits[1]))
    try:
        done = rag("ingest", "new.md")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.status == 1
    assert "Free disk space" in done.err
    assert "bug" not in done.err
    found = rag("search", "red door", "--json")
    assert (found.status, found.json["generation"]) == (0, 1)
