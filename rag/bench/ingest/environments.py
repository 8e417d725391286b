"""Environments of their own for the programs that ingest is compared with: `make bench-arms`.

Each holds what its lock in requirements/bench lists. Everything else, torch and sentence-transformers before all, it
takes from the environment that we run in, by a path file: the comparison is of pipelines, so what computes below them
must be the very same build, on CPU and GPU alike.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from rag.errors import ConfigError

ROOT = Path(__file__).parents[3]
LOCKS = ROOT / "requirements" / "bench"
_HOW = "Run `make bench-arms`"


def python_of(name: str, arms_dir: Path) -> Path | None:
    """The interpreter of the environment `name` below `arms_dir`; None if it is not there or its lock has changed."""
    folder, lock = arms_dir / name, LOCKS / f"{name}.txt"
    mark = folder / "made-from"
    if not lock.is_file() or not mark.is_file() or mark.read_text("utf-8") != _mark(lock):
        return None
    return folder / "bin" / "python"


def why_left_out(name: str, arms_dir: Path) -> str | None:
    """Why the program cannot take part; None if it can."""
    if python_of(name, arms_dir):
        return None
    return f"It is not in {str(arms_dir / name)!r}, or its lock has changed. {_HOW} on a machine that pip can serve."


def install(name: str, arms_dir: Path) -> None:
    """Nothing; the environment stands below `arms_dir`, and is as its lock says.

    Raises:
        ConfigError: there is no lock, or pip could not get what it lists.
    """
    lock = LOCKS / f"{name}.txt"
    if not lock.is_file():
        raise ConfigError(f"The lock {str(lock)!r} does not exist. {_HOW} in a checkout of the repository.")
    if python_of(name, arms_dir):
        return
    folder = arms_dir / name
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(lock)], check=False)
    if done.returncode != 0:
        raise ConfigError(f"pip could not install {str(lock)!r}. What it said stands above.")
    # Behind its own packages, which therefore win.
    ours = dict.fromkeys((str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "prefixrag.pth").write_text("\n".join(ours) + "\n", "utf-8")
    (folder / "made-from").write_text(_mark(lock), "utf-8")


def _mark(lock: Path) -> str:
    """What an environment was made from: another lock, Python or place of ours needs another one."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version_info[:2]} {sys.prefix} {ROOT}"


if __name__ == "__main__":
    for each in sorted(LOCKS.glob("*.txt")):
        install(each.stem, Path(sys.argv[1]))
