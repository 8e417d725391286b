"""Spans as a collector gets them: from the client's to the one that the engine is told of, and no word of a prompt."""

import re
import runpy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn

from rag.embed import FakeEncoder
from rag.engine import EngineInfo, FakeEngine
from rag.engine.fake_server import FakeServer
from rag.settings import load, traces_endpoint
from rag.telemetry import tracing

_COLLECTOR = runpy.run_path(str(Path(__file__).parents[1] / "collector.py"))
collector, spans_of = _COLLECTOR["collector"], _COLLECTOR["spans_of"]
TRACE, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "xyzzy"
QUESTION = f"How long is the warranty, {SECRET}?"


@contextmanager
def engine_server(tiny_format) -> Iterator[tuple[str, FakeServer]]:
    """A fake vLLM on a socket."""
    info = EngineInfo(model="tiny", source=str(tiny_format), window_tokens=8192, block_size=16, kv_tokens=200_000)
    fake = FakeServer(FakeEngine(lambda _: f"It lasts two years, {SECRET} [1].", info=info, uncached_token_s=2e-5))
    server = uvicorn.Server(uvicorn.Config(fake.app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", fake
    finally:
        server.should_exit = True
        thread.join()


def ask(url: str, *, stream: bool, is_sampled: bool = True) -> None:
    """Nothing; a client that traces has asked, to the end of the answer."""
    body = {"model": "tiny", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"traceparent": f"00-{TRACE}-{CLIENT}-0{int(is_sampled)}"}
    httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60).raise_for_status()


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_one_trace(start_service, sample_data_dir, tiny_format, monkeypatch, stream) -> None:
    with collector() as (endpoint, bodies), engine_server(tiny_format) as (engine, fake):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        tree = {"data_dir": sample_data_dir, "engine": {"urls": [engine]}, "cache": {"warm": False}}
        with (
            tracing(is_on=traces_endpoint() is not None),
            start_service(load(tree).settings, encoder=FakeEncoder()) as url,
        ):
            ask(url, stream=stream)
        told = fake.traces[-1]

    spans = spans_of(TRACE, bodies)
    by_name = {span.name: span for span in spans}
    assert len(spans) == len(by_name) == 5
    request = by_name["POST /v1/chat/completions"]
    assert request.parent_span_id.hex() == CLIENT
    inner = [by_name[name] for name in ("queue", "retrieve", "compose", "/v1/completions")]
    assert {span.parent_span_id for span in inner} == {request.span_id}
    times = [(span.start_time_unix_nano, span.end_time_unix_nano) for span in inner]
    assert all(began <= ended for began, ended in times)
    assert told == f"00-{TRACE}-{inner[-1].span_id.hex()}-01"
    attributes = {each.key: each.value for each in request.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["rag.prompt_tokens"].int_value > 100
    assert attributes["rag.collection"].string_value == "default"
    assert not any(SECRET.encode() in body for body in bodies)


def test_an_engine_is_told_of_a_request_that_the_client_does_not_sample(
    start_service, sample_data_dir, tiny_format, monkeypatch
) -> None:
    with collector() as (endpoint, bodies), engine_server(tiny_format) as (engine, fake):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        tree = {"data_dir": sample_data_dir, "engine": {"urls": [engine]}, "cache": {"warm": False}}
        with tracing(is_on=True), start_service(load(tree).settings, encoder=FakeEncoder()) as url:
            ask(url, stream=False, is_sampled=False)

    [told] = [each for each in fake.traces if each and TRACE in each]
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", told)  # without it the engine would begin a trace of its own
    assert spans_of(TRACE, bodies) == []


def test_nothing_is_traced_unless_asked_for(start_service, sample_data_dir, tiny_format, monkeypatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert traces_endpoint() is None
    tree = {"data_dir": sample_data_dir, "cache": {"warm": False}}
    with engine_server(tiny_format) as (engine, fake):
        tree["engine"] = {"urls": [engine]}
        with tracing(is_on=False), start_service(load(tree).settings, encoder=FakeEncoder()) as url:
            ask(url, stream=False)

    assert fake.traces
    assert set(fake.traces) == {None}
