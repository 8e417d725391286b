"""The command `rag`."""

import io
import sys


def main() -> None:
    """Never; the process ends with the exit code of the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or a terminal that is not UTF-8 must not end a command
            stream.reconfigure(errors="backslashreplace")
    try:
        from rag.cli.frame import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
