"""What each of several local engines runs on: GPUs, or cores of the CPU build."""

import os
from collections.abc import Mapping
from itertools import pairwise

from rag.errors import ConfigError
from rag.settings import EngineSettings

_SIZES = {"--tensor-parallel-size", "-tp", "--pipeline-parallel-size", "-pp"}


def check_devices(settings: EngineSettings) -> None:
    """Nothing, if there is an item of `engine.devices` for each engine, or none at all.

    Raises:
        ConfigError: there are too many or too few.
    """
    if len(settings.devices) not in (0, settings.count):
        raise ConfigError(
            f"engine.devices lists {len(settings.devices)} items {list(settings.devices)!r} for {settings.count} "
            "engines (engine.count). Give one for each, or none."
        )


def engine_device(settings: EngineSettings, number: int, *, is_cpu: bool, inherited: Mapping[str, str]) -> str | None:
    """GPUs for CUDA_VISIBLE_DEVICES, or cores for VLLM_CPU_OMP_THREADS_BIND; None: whatever vLLM takes by itself.

    Those that `engine.devices` names. Otherwise, where there are several engines, GPUs are taken in their order, as
    many for each as its parallel sizes ask for, and cores are shared out evenly: left to themselves, all engines would
    take the same ones.
    """
    if settings.devices:
        return settings.devices[number]
    if settings.count == 1:
        return None
    if is_cpu:
        return _cores(sorted(os.sched_getaffinity(0)), number, settings.count)
    n_gpus = _gpus_each(settings.extra_args)
    visible = inherited.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if visible != [""] else [str(gpu) for gpu in range(n_gpus * settings.count)]
    return ",".join(names[number * n_gpus : (number + 1) * n_gpus])


def _cores(cores: list[int], number: int, n_engines: int) -> str | None:
    if len(cores) < n_engines:
        return None  # they take turns
    start, end = (len(cores) * place // n_engines for place in (number, number + 1))
    return ",".join(map(str, cores[start:end]))


def _gpus_each(words: tuple[str, ...]) -> int:
    """The GPUs of one engine, by its command line."""
    n_gpus = 1
    spaced = [part for word in words for part in word.split("=", 1)]
    for name, value in pairwise(spaced):
        if name in _SIZES and value.isdigit():
            n_gpus *= int(value)
    return n_gpus
