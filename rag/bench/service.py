"""A service of our own for the time of a measurement or a demonstration."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from rag.errors import EngineUnavailable

_POLL_S = 0.25
_STOP_S = 60.0


@contextmanager
def running_service(
    data_dir: Path, *, log: Path, module: Sequence[str] = ("rag", "serve"), arguments: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of `rag serve` on a free port, ready to answer; stopped at the end of the block.

    module: another module, and its first arguments, that serves in its place.

    Raises:
        EngineUnavailable: it ended before it was ready; the message has its last words.
    """
    command = [sys.executable, "-m", *module, "--port", "0", "--data-dir", str(data_dir), *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    note = data_dir / "run" / "service.json"
    note.unlink(missing_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield _ready(process, note, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def rag(*arguments: str) -> None:
    """Run one command of ours; its output goes where ours goes.

    Raises:
        CalledProcessError: it failed, and has said why.
    """
    subprocess.run([sys.executable, "-m", "rag", *arguments], check=True)


def local_token(data_dir: Path) -> str:
    """What opens the service that runs on `data_dir`, whatever keys it asks of others."""
    token: str = json.loads((data_dir / "run" / "service.json").read_text())["token"]
    return token


def _ready(process: "subprocess.Popen[bytes]", note: Path, log: Path) -> str:
    with httpx2.Client(trust_env=False, timeout=10.0) as client:
        while process.poll() is None:
            if note.exists() and (text := note.read_text()):
                url: str = json.loads(text)["url"]
                try:
                    if client.get(f"{url}/ready").status_code == httpx2.codes.OK:
                        return url
                except httpx2.TransportError:
                    pass
            time.sleep(_POLL_S)
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    raise EngineUnavailable(
        f"`rag serve` ended before it was ready: {lines[-1] if lines else 'it said nothing'} See {log}."
    )
