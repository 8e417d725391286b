"""Runs a command that ends when its parent does, however the parent ends: `python -m rag.engine.guard PID COMMAND...`.

Without this a killed service would leave a GPU taken by an engine that nobody talks to.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command, with a death signal tied to process `arguments[0]`."""
    parent, command = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the signal was asked for
        return
    os.execvp(command[0], command)  # noqa: S606  # the command line is ours


if __name__ == "__main__":
    main(sys.argv[1:])
