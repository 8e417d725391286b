"""What the commands say of a service, with a stand-in that answers what it is told to."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rag.cli.frame import run

Answer = tuple[int, str, str]  # status, content type, body
Rag = Callable[..., tuple[int, str, str]]

ENGINE = {
    "url": "http://127.0.0.1:9001", "pid": 7, "model": "small", "state": "ready", "block_size": 16, "kv_tokens": 4096,
    "restarts": 0,
}  # fmt: skip
COLLECTION = {
    "id": "vs_1", "name": "default", "generation": 3, "documents": 2, "chunks": 5, "tokens": 90,
    "shared_prefix": {"version": "ab", "documents": 2, "tokens": 100},
}  # fmt: skip
READY = {
    "status": "ready",
    "engines": [ENGINE | {"reuse": "off"}],
    "embedding": {"model": "m", "dimensions": 3, "dtype": "float32"},
    "collections": [COLLECTION],
}
CITED: dict[str, Any] = {
    "marker": "[1]", "document": "guide/refunds.md", "anchor": {"heading": "Returns", "line": 12},
    "quote": "Money comes\n back.", "status": "exact",
}  # fmt: skip
UNSUPPORTED = CITED | {
    "marker": "[2]",
    "status": "unsupported",
    "problem": "contradicted",
    "start": 8,
    "end": 12,
    "quote": None,
    "anchor": None,
}
RAG = {"collection": "default", "citations": [CITED, CITED, UNSUPPORTED]}


class Service(ThreadingHTTPServer):
    """Answers by path; `asked` has the bodies that were posted, `waits` stops every answer to a question."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {"/v1/models": _json({"object": "list", "data": [{"id": "small"}]})}
        self.asked: list[dict[str, Any]] = []
        self.got_question = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        status, kind, body = self.server.answers.get(self.path, (404, "text/plain", ""))
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.server.got_question.set()
        self.server.may_answer.wait(30)
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


def _json(document: object, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(document)


def _stream(*events: object) -> Answer:
    return 200, "text/event-stream", "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def _chunk(text: str, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": [choice], **more}


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def rag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rag:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def announced(service: Service, tmp_path: Path) -> Path:
    """The file in which the service says that it is this process."""
    file = tmp_path / "data/run/service.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": service.url, "pid": os.getpid(), "token": "local_1"}))
    return file


def test_an_answer_streams_and_its_citations_follow(rag: Rag, service: Service, announced: Path) -> None:
    service.answers["/v1/chat/completions"] = _stream(_chunk("Ten "), _chunk("\x1b[2Jdays [1].", rag=RAG))
    status, out, err = rag("ask", "How long?", "-c", "support")

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "Ten [2Jdays [1].",
        "",
        '[1] guide/refunds.md > Returns, line 12 — "Money comes back." (exact)',
        '[2] guide/refunds.md — "days" (unsupported: the document says otherwise)',
    ]
    (body,) = service.asked
    assert (body["model"], body["rag"]) == ("small", {"collection": "support"})


def test_an_answer_as_json(rag: Rag, service: Service) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    last = _chunk("", rag=RAG) | {"choices": [], "usage": usage}
    service.answers["/v1/chat/completions"] = _stream(_chunk("Ten "), _chunk("days."), last)
    status, out, _ = rag("ask", "How long?", "--url", service.url, "--json")
    answer = json.loads(out)

    assert status == 0
    assert {name: answer[name] for name in ("question", "model", "answer", "rag")} == {
        "question": "How long?", "model": "small", "answer": "Ten days.", "rag": RAG,
    }  # fmt: skip
    assert answer["usage"]["prompt_tokens"] == 9
    assert "rag" not in service.asked[0]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (
            _json({"error": {"message": "No collection 'x'.", "code": "collection_not_found"}}, 404),
            1,
            "collection_not_found",
        ),
        (
            _json({"error": {"message": "Too long.", "code": "context_length_exceeded"}}, 400),
            2,
            "context_length_exceeded",
        ),
        (_json({"error": {"message": "Broken."}}, 502), 3, "engine_error"),
        (_stream(_chunk("Ten"), {"error": {"message": "The engine died."}}), 3, "engine_error"),
    ],
)
def test_a_refusal_has_an_exit_code(rag: Rag, service: Service, answer: Answer, status: int, code: str) -> None:
    service.answers["/v1/chat/completions"] = answer
    done, out, err = rag("ask", "x", "--url", service.url, "--json")

    assert (done, json.loads(out)["error"]["code"]) == (status, code)
    assert err.startswith("error: ")


def test_what_is_no_service_is_told(rag: Rag, service: Service) -> None:
    service.answers.clear()
    status, _, err = rag("ask", "x", "--url", service.url)

    assert status == 1
    assert "Is it prefixrag's?" in err


def test_an_interrupt_is_quiet(service: Service, tmp_path: Path) -> None:
    service.may_answer.clear()
    command = [sys.executable, "-c", "from rag.cli import main; main()", "ask", "x", "--url", service.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert service.got_question.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, b"", b"")


def test_status_has_the_contracts_shape(rag: Rag, service: Service, announced: Path) -> None:
    service.answers["/ready"] = _json(READY)
    status, out, _ = rag("status", "--json")
    document = json.loads(out)

    assert status == 0
    assert document.pop("version")
    assert document == {
        "data_dir": "data",
        "service": {"url": service.url, "pid": os.getpid(), "state": "ready"},
        "engines": [ENGINE],
        "embedding": READY["embedding"],
        "collections": [COLLECTION],
    }


def test_status_in_words_advises(rag: Rag, service: Service, announced: Path) -> None:
    service.answers["/ready"] = _json(READY | {"status": "unavailable"}, 503)
    _, out, _ = rag("status")

    assert f"service: unavailable at {service.url}" in out
    assert "--enable-prefix-caching" in out
    assert "100 tokens of 2 documents" in out


def test_a_starting_service_is_told(rag: Rag, service: Service, announced: Path) -> None:
    service.answers["/ready"] = _json({"status": "starting", "engines": [], "embedding": None, "collections": []}, 503)
    document = json.loads(rag("status", "--json")[1])

    assert document["service"]["state"] == "starting"
    assert document["embedding"]["model"] == "all-MiniLM-L6-v2"


def test_a_killed_services_file_is_no_service(rag: Rag, announced: Path) -> None:
    os.utime(announced, (1, 1))  # older than the process that has its number now
    assert json.loads(rag("status", "--json")[1])["service"] is None

    announced.write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": 2**30}))
    assert json.loads(rag("status", "--json")[1])["service"] is None

    announced.write_text("{")
    assert json.loads(rag("status", "--json")[1])["service"] is None


@pytest.mark.parametrize(("reuse", "status"), [("on", "ok"), ("off", "warn"), ("unreported", "warn")])
def test_doctor_asks_the_service(rag: Rag, service: Service, announced: Path, reuse: str, status: str) -> None:
    service.answers["/ready"] = _json(READY | {"engines": [ENGINE | {"reuse": reuse}]})
    checks = json.loads(rag("doctor", "--json")[1])["checks"]
    found = {check["name"]: check for check in checks}

    assert found["service"]["status"] == "ok"
    assert found["engine http://127.0.0.1:9001"]["status"] == status
    assert bool(found["engine http://127.0.0.1:9001"]["cure"]) == (status == "warn")
    assert "port" not in found


def test_doctor_finds_a_taken_port_and_a_dead_engine(
    rag: Rag, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_SERVER__PORT", str(service.server_port))
    monkeypatch.setenv("RAG_ENGINE__URLS", f'["{service.url}", "http://127.0.0.1:9"]')
    service.answers["/health"] = _json({})
    status, out, _ = rag("doctor", "--json")
    found = {check["name"]: check["status"] for check in json.loads(out)["checks"]}

    assert status == 1
    assert found["port"] == found["engine http://127.0.0.1:9"] == "fail"
    assert found[f"engine {service.url}"] == "ok"


def test_doctor_tells_of_an_old_service_a_dead_engine_and_reuse_that_is_missing(
    rag: Rag, service: Service, announced: Path
) -> None:
    reuse = {"answers": 40, "prompt_tokens": 1000, "cached_tokens": 100, "misses": {"evicted": 30, "cold": 1}}
    engine = ENGINE | {"state": "down", "reason": "It ended with code 1.", "log": "data/run/engine.log", "restarts": 4}
    service.answers["/health"] = _json({"status": "ok", "version": "0.0.1"})
    service.answers["/ready"] = _json(
        READY | {"status": "unavailable", "engines": [engine], "collections": [COLLECTION | {"reuse": reuse}]}, 503
    )
    status, out, _ = rag("doctor", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    dead, lost = found["engine http://127.0.0.1:9001"], found["reuse of 'default'"]

    assert status == 1
    assert (found["service"]["status"], found["service"]["cure"]) == ("warn", "tail data/run/engine.log")
    assert (found["version"]["status"], found["version"]["cure"]) == ("warn", f"kill {os.getpid()}; rag serve")
    assert (dead["status"], dead["cure"]) == ("fail", "tail data/run/engine.log")
    assert "restarted 4 times. It ended with code 1." in dead["detail"]
    assert lost["detail"] == "10% of the prompt tokens of 40 answers; 30 misses of the kind 'evicted'"
    assert "too small" in lost["cure"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, ["does not answer", "kill "]),
        (_json({"status": "starting", "engines": [], "collections": []}, 503), ["is starting", "tail -f "]),
        (
            _json(READY | {"status": "unavailable", "engines": [ENGINE | {"state": "down", "reason": "Dead."}]}, 503),
            ["no engine that can be asked", "http://127.0.0.1:9001 is down. Dead.", "rag doctor"],
        ),
        (_json(READY), ["is ready, and nothing has been ingested yet", "rag ingest PATH"]),
    ],
)
def test_rag_alone_says_what_to_do(
    rag: Rag, service: Service, announced: Path, answer: Answer | None, words: list[str]
) -> None:
    if answer:
        service.answers["/ready"] = answer
    else:
        announced.write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": os.getpid()}))
    status, out, err = rag()

    assert (status, err) == (0, "")
    assert all(word in out for word in words)


def test_rag_alone_begins_with_an_ingest_and_writes_nothing(rag: Rag, tmp_path: Path) -> None:
    status, out, _ = rag()

    assert status == 0
    assert "Nothing has been ingested yet.\n  rag ingest PATH " in out
    assert not (tmp_path / "data").exists()


def test_rag_alone_tells_of_a_wrong_setting(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_SERVER__PROT", "1")
    status, out, err = rag()

    assert (status, out) == (2, "")
    assert "'RAG_SERVER__PROT'" in err


def test_warming_says_what_was_computed(rag: Rag, service: Service) -> None:
    service.answers["/warm"] = _json({"warmed": [{"collection": "docs", "prefixes": 2, "computed_tokens": 3400}]})
    done, out, _ = rag("warm", "-c", "docs", "--url", f"{service.url}/v1")

    assert (done, out) == (0, "docs: 2 prefixes were missing, 3400 tokens computed\n")
    assert service.asked == [{"collection": "docs"}]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (_json({"error": {"message": "There is no collection 'docs'."}}, 404), 1, "no collection"),
        (_json({"error": {"message": "The service is starting."}}, 503), 3, "starting"),
        ((200, "text/html", "<p>hello"), 2, "Is it prefixrag's?"),
    ],
)
def test_a_service_that_does_not_warm_is_told(
    rag: Rag, service: Service, answer: Answer, status: int, words: str
) -> None:
    service.answers["/warm"] = answer
    done, out, err = rag("warm", "--url", service.url)

    assert (done, out) == (status, "")
    assert words in err


def test_nobody_to_warm(rag: Rag) -> None:
    done, _, err = rag("warm", "--url", "http://127.0.0.1:1")

    assert done == 3
    assert "rag serve" in err
