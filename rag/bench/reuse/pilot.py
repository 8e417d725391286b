"""ContextPilot 0.5.0 as an arm, in a process and an environment of its own: its requirements do not fit ours.

It gets ids and gives their order, one call a request, by its public `ContextPilot.reorder`. It never learns what the
engine evicts: the hook that would tell it cannot be loaded into a present vLLM.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rag.errors import ConfigError, EngineError
from rag.types import Chunk

_PACKAGE = "contextpilot==0.5.0"
# What its index imports. It also asks for datasets, elasticsearch, fastapi and more, which ordering does not need.
_NEEDS = ("numpy", "scipy", "tqdm")
_CHILD = Path(__file__).with_name("pilot_child.py")
_HOW = "Run `make bench-arms`"


class ContextPilot:
    """A running child. Use it as a context; it ends with it."""

    def __init__(self, arms_dir: Path) -> None:
        """arms_dir: where `install` has put it.

        Raises:
            ConfigError: it is not there.
        """
        python = _python(arms_dir)
        if python is None:
            raise ConfigError(f"ContextPilot is not installed in {str(arms_dir)!r}. {_HOW}.")
        # A pipe that nobody reads would stop it once full.
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the child
        self._child = subprocess.Popen(
            [python, str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, text=True
        )
        self.reorder(())  # its imports take a second, which is no planning time

    def reorder(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks in its order, which the index then remembers.

        Raises:
            EngineError: it failed; the message has its last words.
        """
        by_seq = {chunk.seq: chunk for chunk in chunks}
        if self._child.stdin is None or self._child.stdout is None:
            raise AssertionError("opened with pipes")
        try:
            self._child.stdin.write(json.dumps(list(by_seq)) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        line = self._child.stdout.readline()
        if not line:
            raise self._failure()
        return [by_seq[seq] for seq in json.loads(line)]

    def __enter__(self) -> Self:
        """The child."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._child.kill()
        self._child.communicate()
        self._words.close()

    def _failure(self) -> EngineError:
        self._child.wait()
        self._words.seek(0)
        last = (self._words.read().strip().splitlines() or ["it said nothing"])[-1]
        return EngineError(f"ContextPilot's process ended: {last[-300:]} Leave the arm contextpilot out.")


def why_left_out(arms_dir: Path) -> str | None:
    """Why ContextPilot cannot take part; None if it can."""
    return None if _python(arms_dir) else f"{_PACKAGE} is not installed. {_HOW} on a machine that pip can serve."


def install(arms_dir: Path) -> None:
    """Nothing; the package stands in an environment of its own below `arms_dir`, by pip.

    Raises:
        ConfigError: pip could not get it.
    """
    folder = arms_dir / "contextpilot"
    venv.create(folder, with_pip=True, clear=True)
    python = str(folder / "bin" / "python")
    for words in ((*_NEEDS,), ("--no-deps", _PACKAGE)):
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *words], check=False)
        if done.returncode != 0:
            raise ConfigError(f"pip could not install {' '.join(words)}. What it said stands above.")


def _python(arms_dir: Path) -> str | None:
    """The interpreter that can import the package: that of its environment, or ours."""
    own = arms_dir / "contextpilot" / "bin" / "python"
    if own.exists() and next((own.parents[1]).glob("lib/python*/site-packages/contextpilot"), None):
        return str(own)
    return sys.executable if importlib.util.find_spec("contextpilot") else None


if __name__ == "__main__":
    install(Path(sys.argv[1]))
