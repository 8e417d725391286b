"""Writes requirements/cpu.txt and requirements/cuda.txt: every package, pinned, for Python 3.11 to 3.13 on Linux.

Run by `make lock`. uv resolves, in an environment that is thrown away; what only other systems need is
dropped afterwards. Pins that stand in the files are kept as long as pyproject.toml allows them.
"""

import os
import subprocess
import sys
import tempfile
from itertools import product

from install import ROOT, TORCH_CPU_INDEX
from packaging.markers import Marker

FOLDER = ROOT / "requirements"
HEADER = "# Every package for Python 3.11 to 3.13 on Linux. Made by `make lock`: see requirements/README.md.\n"
COMPILE = ("pip", "compile", "pyproject.toml", "--extra=models", "--group=dev", "--universal", "--python-version=3.11")
OUTPUT = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet")
# uv reads its own variables, not pip's configuration.
UV_SOURCES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def main() -> None:
    """None; afterwards both locks are as pyproject.toml and the overrides want them."""
    torch_index = (f"--extra-index-url={TORCH_CPU_INDEX}", "--index-strategy=unsafe-best-match")
    sources = () if any(name in os.environ for name in UV_SOURCES) else torch_index
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run((sys.executable, "-m", "venv", folder), check=True)
        subprocess.run((f"{folder}/bin/pip", "install", "--quiet", "uv"), check=True)
        uv = f"{folder}/bin/uv"
        lock(uv, "cpu.txt", "--extra=engine-cpu", "--overrides=requirements/overrides-cpu.txt", *sources)
        lock(uv, "cuda.txt", "--extra=engine")


def lock(uv: str, name: str, *arguments: str) -> None:
    """None; afterwards the file `name` holds what uv resolves with `arguments`, less what Linux never needs."""
    file = FOLDER / name
    common = (*OUTPUT, "--overrides=requirements/overrides.txt", f"--output-file={file}")
    subprocess.run((uv, *COMPILE, *common, *arguments), check=True, cwd=ROOT)
    pins = file.read_text(encoding="utf-8").splitlines()
    kept = [short for pin in pins if pin[0].isalnum() and (short := for_linux(pin))]
    file.write_text(HEADER + "\n".join(kept) + "\n", encoding="utf-8")
    print(f"lock: {file.relative_to(ROOT)}: {len(kept)} pins")


def for_linux(pin: str) -> str:
    """The line as it stands in the lock: without a marker that always holds, empty when it never holds."""
    requirement, _, condition = pin.partition(" ; ")
    if not condition:
        return pin
    marker = Marker(condition)
    machines = product(("3.11", "3.12", "3.13"), ("x86_64", "aarch64"))
    holds = {marker.evaluate(linux(python, machine)) for python, machine in machines}
    if holds == {True}:
        return requirement
    return pin if True in holds else ""


def linux(python: str, machine: str) -> dict[str, str]:
    """The marker variables of CPython on Linux."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"lock: {error.cmd[0]} ended with {error.returncode}. Mend what it says above, then run `make lock` again."
        )
