"""Makes `.venv` what the lock says: the environment that every make target runs in.

Run by `make setup` with a Python 3.11 to 3.13, standard library only. The same lock, interpreter and
place as last time: nothing to do. Another lock or interpreter, or a set-up that did not end: all anew,
because pip would take a half-installed package for a whole one. A changed pyproject.toml: this package only.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
STAMP = VENV / "setup.json"
# Not an environment's link to it: the environment may be the one that is made anew.
INTERPRETER = Path(sys.executable).resolve()
# PyTorch publishes its CPU builds (2.13.0+cpu) on an index of its own. It is asked only when pip, as it is
# configured, does not find the build that the lock names.
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")

PIP = (str(VENV / "bin/python"), "-m", "pip")
INSTALL = (*PIP, "install", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-deps")
VENV_CURE = "Install Python's venv module (Debian, Ubuntu: apt-get install python3-venv)"
PIP_CURE = "See that pip reaches its package index (`pip config list`) and that the disk has room"
TORCH_CURE = f"{PIP_CURE}, or let TORCH_CPU_INDEX (now {TORCH_CPU_INDEX!r}) name another copy of PyTorch's CPU index"
PACKAGE_CURE = "Mend what is named above, most likely in pyproject.toml"


class SetupError(Exception):
    """A step failed. The message is complete: which step, why, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `.venv` has to be; equal to what the stamp of the last set-up says when nothing is to be done."""

    environment: str  # digest of the lock, the interpreter and the place: scripts in .venv hold its path
    package: str  # digest of pyproject.toml: entry points and metadata


def main() -> int:
    """The exit status: 0 when `.venv` is as the lock says."""
    lock = ROOT / "requirements" / ("cuda.txt" if has_nvidia_gpu() else "cpu.txt")
    try:
        wait_for_others()
        set_up(lock)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"setup: {error}. Mend this, then run `make setup` again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted. `make setup` starts again.", file=sys.stderr)
        return 130
    return 0


def has_nvidia_gpu() -> bool:
    """Whether the CUDA build of vLLM has something to run on."""
    if Path("/dev/nvidia0").exists():
        return True
    command = shutil.which("nvidia-smi")  # under WSL there is no device file
    return command is not None and subprocess.run([command, "-L"], capture_output=True, check=False).returncode == 0


def wait_for_others() -> None:
    """None; from then on until it exits, this process is the only one that sets up: two would undo each other."""
    folder = os.open(ROOT / "setup", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup: waiting for another set-up of this checkout to end", flush=True)
        fcntl.flock(folder, fcntl.LOCK_EX)


def set_up(lock: Path) -> None:
    """None; afterwards `.venv` holds the lock's packages and this one, and a stamp that says so."""
    wanted = wanted_for(lock)
    present = last_set_up()
    if present == wanted:
        print("setup: .venv is up to date")
        return
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    if present is None or present.environment != wanted.environment:
        make_environment(lock)
    editable = (*INSTALL, "--no-build-isolation", "--quiet", "--editable", str(ROOT))
    step("installing this package", editable, cure=PACKAGE_CURE)
    STAMP.write_text(json.dumps({"environment": wanted.environment, "package": wanted.package}), encoding="utf-8")
    print(f"setup: .venv is ready after {time.monotonic() - started:.0f} s ({lock.relative_to(ROOT)})")


def wanted_for(lock: Path) -> Wanted:
    """What a set-up from `lock` with the running interpreter leaves behind."""
    place = f"{lock.name}\n{INTERPRETER}\n{ROOT}\n"
    return Wanted(
        environment=hashlib.sha256(place.encode() + lock.read_bytes()).hexdigest(),
        package=hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
    )


def last_set_up() -> Wanted | None:
    """What the last set-up left; None when there was none, or it did not end."""
    try:
        return Wanted(**json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def make_environment(lock: Path) -> None:
    """None; afterwards `.venv` is new and holds the packages of `lock`."""
    if VENV.exists():
        print("setup: removing a .venv that is unfinished or of another lock or Python")
        shutil.rmtree(VENV)
    VENV.mkdir()
    step(f"making .venv with {INTERPRETER}", (str(INTERPRETER), "-m", "venv", str(VENV)), cure=VENV_CURE)
    pins = lock.read_text(encoding="utf-8")
    cpu_torch = re.search(r"^torch==\S+\+cpu", pins, re.MULTILINE)
    if cpu_torch:
        install_cpu_torch(cpu_torch[0])
    name = f"installing {len(re.findall('^[a-z0-9]', pins, re.MULTILINE))} packages of {lock.relative_to(ROOT)}"
    step(f"{name} (some minutes)", (*INSTALL, "--requirement", str(lock)), cure=PIP_CURE)


def install_cpu_torch(pin: str) -> None:
    """None; afterwards PyTorch's CPU build is installed, from where pip looks or from PyTorch's index."""
    name = f"installing {pin}"
    try:
        step(name, (*INSTALL, pin), cure=PIP_CURE)
    except SetupError as error:
        if "No matching distribution found" not in str(error):
            raise
        print(f"setup: pip knows no {pin}; asking {TORCH_CPU_INDEX}", flush=True)
        step(name, (*INSTALL, "--index-url", TORCH_CPU_INDEX, pin), cure=TORCH_CURE)


def step(name: str, command: tuple[str, ...], *, cure: str) -> None:
    """None; afterwards `command` has run and its output stands at the end of the log.

    Raises:
        SetupError: it failed. The message ends with the last lines of its own words.
    """
    print(f"setup: {name} ...", flush=True)
    with LOG.open("ab") as log:
        begin = log.tell()
        done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return
    words = LOG.read_bytes()[begin:].decode(errors="replace").split("\n")
    last = "\n".join(f"    {line.rstrip()}" for line in words[-20:] if line.strip())
    raise SetupError(
        f"setup: {name} failed (exit status {done.returncode}). Its last words (all are in .venv/setup.log):\n{last}\n"
        f"setup: {cure}, then run `make setup` again."
    )


if __name__ == "__main__":
    sys.exit(main())
