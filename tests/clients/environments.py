"""Environments of their own for other programs' clients: what they need does not fit beside vLLM.

They lie below data/clients, are made from the locks in requirements/clients, and are made anew when a lock changes.
"""

import hashlib
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "clients"
LOCKS = ROOT / "requirements" / "clients"
NODE = Path(__file__).parent / "node"


def python_of(name: str) -> Path:
    """The Python of the environment `name`, which has what its lock lists and nothing else."""
    lock = LOCKS / f"{name}.txt"
    folder = FOLDER / name
    python = folder / "bin" / "python"
    if _is_of(folder, lock):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "-r", str(lock)], ROOT)
    _sign(folder, lock)
    return python


def node_script(name: str) -> Path:
    """A script for Node, beside the packages that it needs. Their versions are exact; no lock is written."""
    folder = FOLDER / "node"
    package = NODE / "package.json"
    if not _is_of(folder, package):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(package, folder)
        _run(["npm", "install", "--no-package-lock", "--no-fund", "--no-audit", "--silent"], folder)
        _sign(folder, package)
    return Path(shutil.copy(NODE / f"{name}.mjs", folder))


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _is_of(folder: Path, lock: Path) -> bool:
    mark = folder / "made-from"
    return mark.is_file() and mark.read_text() == _mark(lock)


def _sign(folder: Path, lock: Path) -> None:
    (folder / "made-from").write_text(_mark(lock))


def _mark(lock: Path) -> str:
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version_info[:2]}"


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
