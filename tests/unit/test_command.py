"""The command line of a local vLLM."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from rag.engine.command import Build, engine_command, engine_environment, installed_build, is_cpu_build, is_tokens_only
from rag.engine.events import EventAddresses
from rag.processor import has_bfloat16
from rag.settings import EngineSettings, traces_endpoint

ADDRESSES = EventAddresses(events="ipc:///run/events", replay="ipc:///run/replay")


def command(build: Build, **settings: object) -> list[str]:
    return engine_command(EngineSettings(**settings), source="/model", port=8001, addresses=ADDRESSES, build=build)


@pytest.mark.parametrize(
    ("version", "is_asked"),
    [("0.25.1", False), ("0.31.9", False), ("0.32.0", True), ("0.32.1.dev4+g12", True), ("1.0", True), ("dev", False)],
)
def test_the_token_route_is_asked_for_where_the_flag_is_known(version: str, is_asked: bool) -> None:
    assert ("--enable-scale-out" in command(Build(version, is_cpu=False))) is is_asked


@pytest.mark.parametrize(
    "settings",
    [
        {"tokens_only": "off"},
        {"extra_args": ("--generation-config", "vllm")},
        {"extra_args": ("--override_generation_config={}",)},
    ],
)
def test_the_token_route_is_not_asked_for_where_the_defaults_for_sampling_are_not_the_models(
    settings: dict[str, object],
) -> None:
    assert "--enable-scale-out" not in command(Build("0.32.0", is_cpu=False), **settings)
    assert not is_tokens_only(EngineSettings(**settings))


def test_an_engines_spans_go_where_the_services_do_unless_told_otherwise() -> None:
    def told(**settings: object) -> tuple[list[str], str | None, str | None]:
        engine = EngineSettings(**settings)
        words = engine_command(
            engine,
            source="/model",
            port=8001,
            addresses=ADDRESSES,
            build=Build("0.32.0", is_cpu=True),
            traces="http://here:4318/v1/traces",
        )
        has = engine_environment(engine, source="/model", inherited={"OTEL_SERVICE_NAME": "prefixrag"})
        named = [after for word, after in pairwise(words) if word == "--otlp-traces-endpoint"]
        return named, has.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), has["OTEL_SERVICE_NAME"]

    assert told() == (["http://here:4318/v1/traces"], "http/protobuf", "vllm")
    # The last one counts.
    named, protocol, name = told(extra_args=("--otlp-traces-endpoint", "grpc://there:4317"))
    assert (named[-1], protocol, name) == ("grpc://there:4317", None, "prefixrag")
    assert "--otlp-traces-endpoint" not in command(Build("0.32.0", is_cpu=True))


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318/"}, "http://here:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://there/own"}, "http://there/own"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318", "OTEL_SDK_DISABLED": "TRUE"}, None),
    ],
)
def test_traces_go_where_the_variables_say(
    variables: dict[str, str], endpoint: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces_endpoint() == endpoint


def test_more_arguments_come_last_so_that_they_win() -> None:
    words = command(Build("0.32.0", is_cpu=True), extra_args=("--block-size", "64"))
    assert words[-2:] == ["--block-size", "64"]
    assert "--enforce-eager" in words


def test_the_installed_build_has_a_version() -> None:
    build = installed_build()
    assert build.version[0].isdigit()
    assert build.is_cpu is is_cpu_build()


@pytest.mark.parametrize(("flags", "is_float32"), [("fma avx2 avx512f", True), ("avx512f avx512_bf16", False)])
def test_without_instructions_for_bfloat16_the_cpu_build_computes_in_float32(
    flags: str, is_float32: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr("rag.engine.command.has_bfloat16", lambda: has_bfloat16(cpuinfo))

    assert ("float32" in command(Build("0.32.0", is_cpu=True))) is is_float32
    assert "float32" not in command(Build("0.32.0", is_cpu=False))
