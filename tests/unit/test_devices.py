"""What each of several local engines runs on."""

import os
from pathlib import Path

import pytest

from rag.engine import LocalEngine, check_devices
from rag.engine.devices import engine_device
from rag.errors import ConfigError
from rag.settings import EngineSettings


def devices(settings: EngineSettings, *, is_cpu: bool = False, **inherited: str) -> list[str | None]:
    return [engine_device(settings, n, is_cpu=is_cpu, inherited=inherited) for n in range(settings.count)]


def test_one_engine_takes_what_vllm_takes() -> None:
    assert devices(EngineSettings(), CUDA_VISIBLE_DEVICES="3") == [None]
    assert devices(EngineSettings(), is_cpu=True) == [None]


@pytest.mark.parametrize(
    ("words", "visible", "expected"),
    [
        ((), {}, ["0", "1"]),
        ((), {"CUDA_VISIBLE_DEVICES": "5,7"}, ["5", "7"]),
        (("--tensor-parallel-size", "2"), {}, ["0,1", "2,3"]),
        (("-tp=2", "--pipeline-parallel-size=2"), {}, ["0,1,2,3", "4,5,6,7"]),
    ],
)
def test_gpus_are_taken_in_their_order(words: tuple[str, ...], visible: dict[str, str], expected: list[str]) -> None:
    assert devices(EngineSettings(count=2, extra_args=words), **visible) == expected


def test_cores_are_shared_out_and_none_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6, 7, 8})
    assert devices(EngineSettings(count=2), is_cpu=True) == ["4,5", "6,7,8"]
    assert devices(EngineSettings(count=6), is_cpu=True) == [None] * 6


def test_the_setting_is_stronger_and_must_fit() -> None:
    settings = EngineSettings(count=2, devices=("2,3", "0,1"))
    assert devices(settings) == ["2,3", "0,1"]
    check_devices(settings)
    check_devices(EngineSettings(count=3))
    with pytest.raises(ConfigError, match="lists 2 items"):
        check_devices(EngineSettings(count=3, devices=("0", "1")))


def test_local_engines_share_no_port_log_or_socket(tmp_path: Path) -> None:
    settings = EngineSettings(count=3, port=9000)
    engines = [LocalEngine(settings, source="/model", run_dir=tmp_path, number=number) for number in range(3)]
    assert [engine.url for engine in engines] == [f"http://127.0.0.1:{port}" for port in (9000, 9001, 9002)]
    assert [engine.log_file.name for engine in engines] == ["engine-1.log", "engine-2.log", "engine-3.log"]
    assert len({engine.addresses for engine in engines}) == 3
    assert LocalEngine(EngineSettings(), source="/model", run_dir=tmp_path).log_file.name == "engine.log"
