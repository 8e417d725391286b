"""Which route a request takes to an engine, with a stand-in for vLLM that writes down what it was asked."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tokenizers import Tokenizer

from rag.engine import Slot, VllmEngine, running_slots
from rag.engine.completion import completion_body
from rag.engine.generate import can_generate, generate_body
from rag.engine.pool import EnginePool
from rag.errors import EngineUnavailable
from rag.settings import EngineSettings
from rag.types import Delta, Sampling

GENERATE, COMPLETIONS = "/inference/v1/generate", "/v1/completions"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
GREEDY = Sampling(max_tokens=2, temperature=0.0)
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def events(*documents: dict[str, Any]) -> tuple[int, str]:
    return 200, "".join(f"data: {json.dumps(document)}\n\n" for document in documents) + "data: [DONE]\n\n"


def chunk(**choice: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, **choice}]}


class Vllm(ThreadingHTTPServer):
    """`answers`: status and body by path."""

    def __init__(self, ids: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        card = {"id": "small", "root": "/small", "max_model_len": 4096}
        usage = {"choices": [], "usage": USAGE}
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answers: dict[str, tuple[int, str]] = {
            "/v1/models": (200, json.dumps({"data": [card]})),
            "/metrics": (200, 'vllm:cache_config_info{block_size="16",num_gpu_blocks="64"} 1.0\n'),
            GENERATE: events(chunk(token_ids=ids[:-1]), chunk(token_ids=ids[-1:], finish_reason="length"), usage),
            COMPLETIONS: events(chunk(text="theirs", token_ids=ids, finish_reason="length"), usage),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Vllm

    def do_GET(self) -> None:
        status, body = self.server.answers.get(self.path, (404, '{"detail":"Not Found"}'))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def tokenizer(tiny_tokenizer_json: str) -> Tokenizer:
    return Tokenizer.from_str(tiny_tokenizer_json)


@pytest.fixture
def vllm(tokenizer: Tokenizer) -> Iterator[Vllm]:
    server = Vllm(tokenizer.encode("潮 high").ids)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(
    vllm: Vllm, tokenizer: Tokenizer | None, sampling: Sampling = GREEDY, *, defaults: Sampling | None = None,
    tokens_only: bool = True, report: bool = False,
) -> list[Delta]:  # fmt: skip
    async def main() -> list[Delta]:
        engine = VllmEngine(vllm.url, tokens_only=tokens_only)
        await engine.info()
        if tokenizer:
            engine.learn(tokenizer, defaults or Sampling())
        deltas = [each async for each in engine.stream((5, 6, 7), sampling, salt="s", request_id="r", report=report)]
        await engine.close()
        return deltas

    return asyncio.run(main())


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_tokens_go_in_and_come_out_and_the_text_is_made_here(vllm: Vllm, tokenizer: Tokenizer) -> None:
    deltas = ask(vllm, tokenizer)
    assert text_of(deltas) == "潮 high"
    assert deltas[-2].finish_reason == "length"
    assert deltas[-1].usage
    assert deltas[-1].usage.cached_tokens == 1
    path, body, headers = vllm.asked[-1]
    assert path == GENERATE
    assert (body["model"], body["token_ids"], body["cache_salt"]) == ("small", [5, 6, 7], "s")
    assert body["sampling_params"] == {"max_tokens": 2, "temperature": 0.0, "detokenize": False}
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert headers["x-request-id"] == "r"
    assert "x-session-id" not in headers


def test_before_the_model_is_known_tokens_come_without_text(vllm: Vllm) -> None:
    deltas = ask(vllm, None)
    assert text_of(deltas) == ""
    assert sum(len(delta.token_ids) for delta in deltas) > 2
    assert {path for path, *_ in vllm.asked} == {GENERATE}


def test_a_report_is_asked_for_by_an_argument_and_its_session_by_a_header(vllm: Vllm, tokenizer: Tokenizer) -> None:
    ask(vllm, tokenizer, report=True)
    _, body, headers = vllm.asked[-1]
    assert body["sampling_params"]["extra_args"] == {"kv_cache_report_mode": "full"}
    assert headers["x-session-id"] == "prefixrag-report"


@pytest.mark.parametrize(
    "answer",
    [
        (403, '{"error": {"message": "Scale-out endpoints are disabled.", "code": 403}}'),
        (404, '{"detail":"Not Found"}'),
        (405, '{"detail":"Method Not Allowed"}'),
        (400, '{"error": {"message": "No such field.", "code": 400}}'),
        (200, '{"choices": [{"token_ids": [1]}]}'),  # of a version that does not stream here
        events(chunk(token_ids=[1])),  # of one that does not say what was cached
        events({"error": {"message": "It broke.", "code": 500}}),
    ],
)
def test_an_engine_without_the_route_is_found_once_and_makes_the_text(
    vllm: Vllm, tokenizer: Tokenizer, answer: tuple[int, str]
) -> None:
    vllm.answers[GENERATE] = answer
    assert text_of(ask(vllm, tokenizer)) == "theirs"
    assert [path for path, *_ in vllm.asked] == [GENERATE, COMPLETIONS]


def test_a_busy_engine_is_not_one_without_the_route(vllm: Vllm, tokenizer: Tokenizer) -> None:
    vllm.answers[GENERATE] = (503, '{"error": {"message": "Full.", "code": 503}}')
    with pytest.raises(EngineUnavailable, match="is busy: Full"):
        ask(vllm, tokenizer)


def test_the_setting_off_leaves_all_text_to_engines(vllm: Vllm, tokenizer: Tokenizer) -> None:
    assert text_of(ask(vllm, tokenizer, tokens_only=False)) == "theirs"
    [slot] = running_slots(EngineSettings(urls=(vllm.url,), tokens_only="off"))

    async def start(slot: Slot) -> None:
        pool = EnginePool([slot])
        await pool.start()
        await pool.close()

    asyncio.run(start(slot))
    assert {path for path, *_ in vllm.asked} == {COMPLETIONS}


def test_probe_and_pace_take_the_route_that_requests_take(vllm: Vllm) -> None:
    async def start() -> None:
        pool = EnginePool(running_slots(EngineSettings(urls=(vllm.url,))))
        await pool.start()
        await pool.close()

    asyncio.run(start())
    assert len(vllm.asked) > 4
    assert {path for path, *_ in vllm.asked} == {GENERATE}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(stop=("word",)),
        Sampling(logit_bias={"5": 1.0}),
        Sampling(n=2),
        Sampling(response_format={"type": "structural_tag", "structures": [], "triggers": []}),
        Sampling(response_format={"type": "json_schema", "json_schema": {"name": "no schema"}}),
    ],
)
def test_what_needs_the_engines_text_or_its_checks_goes_to_completions(
    vllm: Vllm, tokenizer: Tokenizer, sampling: Sampling
) -> None:
    assert text_of(ask(vllm, tokenizer, sampling)) == "theirs"
    assert vllm.asked[-1][0] == COMPLETIONS


def test_a_field_that_this_route_does_not_know_of_goes_to_completions() -> None:
    known = {
        "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "bad_words", "special_tokens", "grammar",
    }  # fmt: skip
    for field in fields(Sampling):
        sampling = Sampling(**{field.name: object()})  # type: ignore[arg-type]
        assert can_generate(sampling) is (field.name in known), field.name


def test_a_grammar_becomes_a_constraint_on_both_routes() -> None:
    sampling = Sampling(grammar='root ::= "a"')
    tokens = generate_body("m", (1,), sampling, defaults=Sampling(), salt="s", report=False)
    text = completion_body("m", (1,), sampling, salt="s", report=False)
    assert tokens["sampling_params"] == {"structured_outputs": {"grammar": 'root ::= "a"'}, "detokenize": False}
    assert text["structured_outputs"] == {"grammar": 'root ::= "a"'}


@pytest.mark.parametrize(
    ("response_format", "constraint"),
    [({"type": "json_object"}, {"json_object": True}), (SCHEMA, {"json": {"type": "object"}})],
)
def test_a_response_format_becomes_a_constraint(response_format: dict[str, object], constraint: object) -> None:
    sampling = Sampling(response_format=response_format)
    assert can_generate(sampling)
    body = generate_body("m", (1,), sampling, defaults=Sampling(), salt="s", report=False)
    assert body["sampling_params"] == {"structured_outputs": constraint, "detokenize": False}


def test_words_that_must_not_be_written_are_passed_on() -> None:
    body = generate_body("m", (1,), Sampling(bad_words=("no",)), defaults=Sampling(), salt="s", report=False)
    assert body["sampling_params"] == {"bad_words": ("no",), "detokenize": False}


def test_control_tokens_are_text_where_they_are_asked_for(vllm: Vllm, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a<|im_start|>b").ids
    vllm.answers[GENERATE] = events(chunk(token_ids=ids), {"choices": [], "usage": USAGE})
    assert text_of(ask(vllm, tokenizer)) == "ab"
    assert text_of(ask(vllm, tokenizer, Sampling(special_tokens=True))) == "a<|im_start|>b"
    assert vllm.asked[-1][0] == GENERATE


def test_defaults_fill_what_is_open_and_nothing_else(vllm: Vllm, tokenizer: Tokenizer) -> None:
    defaults = Sampling(temperature=0.6, top_p=0.95, top_k=20, repetition_penalty=1.05)
    ask(vllm, tokenizer, Sampling(max_tokens=2, temperature=0.0, top_k=-1), defaults=defaults)
    assert vllm.asked[-1][1]["sampling_params"] == {
        "max_tokens": 2, "temperature": 0.0, "top_k": -1, "top_p": 0.95, "repetition_penalty": 1.05,
        "detokenize": False,
    }  # fmt: skip


def test_a_connection_that_was_idle_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may close it just then."""
    monkeypatch.setattr("rag.engine.http._IDLE_S", 0.2)
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def main() -> list[int]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            engine = VllmEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await engine.check()
            await asyncio.sleep(0.3)
            await engine.check()
            await engine.close()
            for writer in connections:
                writer.close()
        return len(connections)

    assert asyncio.run(main()) == 2
