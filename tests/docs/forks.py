"""`rag` and `python` for the blocks of the pages, from one process that has imported what they need.

Run as a script it listens at a socket and forks for each command, which then starts at once. `write_programs` puts the
two programs into a folder for PATH; they hand their words, folder, environment and streams over.
"""

import json
import os
import runpy
import signal
import socket
import sys
import traceback
from pathlib import Path

_PROGRAM = """#!{python} -SE
import json, os, socket, sys
asked = {{"words": [{name!r}, *sys.argv[1:]], "folder": os.getcwd(), "variables": dict(os.environ)}}
body = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as link:
    link.connect({address!r})
    socket.send_fds(link, [len(body).to_bytes(8, "big")], [0, 1, 2])
    link.sendall(body)
    status = link.recv(1)
sys.exit(status[0] if status else 1)
"""
_HEAVY = (
    "rag.cli.app",
    "rag.cli.ask",
    "rag.retrieve",
    "rag.settings",
    "rag.store",
    "rag.embed.load",
    "ingest.pipeline",
)


def write_programs(folder: Path, address: Path) -> None:
    """Nothing; `folder` has `rag` and `python`, which ask the process that listens at `address`."""
    folder.mkdir()
    for name in ("rag", "python"):
        program = folder / name
        program.write_text(_PROGRAM.format(python=sys.executable, name=name, address=str(address)))
        program.chmod(0o755)


def main(address: str) -> None:
    """Serve until it is killed."""
    for name in _HEAVY:
        __import__(name)
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: F401 - imported when first named

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen(16)
        Path(f"{address}.new").rename(address)
        while True:
            link, _ = server.accept()
            if os.fork() == 0:
                server.close()
                link.sendall(bytes([_status(link)]))
                os._exit(0)
            link.close()


def _status(link: socket.socket) -> int:
    """The exit status of the one command that is asked for."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        length, streams, _, _ = socket.recv_fds(link, 8, 3)
        with link.makefile("rb") as file:
            asked = json.loads(file.read(int.from_bytes(length, "big")))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["variables"])
        sys.argv = asked["words"]
        _run()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        status = 1
    else:
        status = 0
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


def _run() -> None:
    if sys.argv[0] == "rag":
        from rag.cli import main as rag

        rag()
    elif sys.argv[1] == "-m":
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
