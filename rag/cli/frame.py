"""The top frame of every command: what goes wrong becomes a message and an exit code, never a traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from typer.exceptions import Abort, TyperException

from rag.cli.output import note, say_json
from rag.errors import ConfigError, RagError

# What an operating system says of a disk, not of a mistake of ours.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def run(arguments: Sequence[str]) -> int:
    """The exit code of `rag` with these arguments."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough. What is left in the buffer must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def _run(arguments: Sequence[str]) -> int:
    as_json = "--json" in _options(arguments)
    try:
        # Inside the frame: a broken installation shows here first.
        from typer.main import get_command

        from rag.cli.app import app

        status = get_command(app).main(list(arguments), prog_name="rag", standalone_mode=False)
        sys.stdout.flush()
    except Abort:
        return _INTERRUPTED
    except TyperException as error:
        return _tell(
            f"{error.format_message().rstrip('.')}. See `rag --help`.",
            ConfigError.code,
            error.exit_code,
            as_json=as_json,
        )
    except RagError as error:
        return _tell(str(error), error.code, error.exit_code, as_json=as_json)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the top frame
        return _unforeseen(error, arguments, as_json=as_json)
    return status if isinstance(status, int) else 0


def _unforeseen(error: Exception, arguments: Sequence[str], *, as_json: bool) -> int:
    if isinstance(error, OSError) and error.errno in _DISK:
        place = str(_data_dir(arguments))
        message = f"The disk refuses: {error}. Free space on it or check the rights of {place!r}, and run this again."
        return _tell(message, "disk_error", 1, as_json=as_json)
    written = _write_crash(arguments)
    message = f"{type(error).__name__}: {error}. This is a bug; {written}."
    return _tell(message.replace("\n", " "), "internal_error", 1, as_json=as_json)


def _tell(message: str, code: str | None, status: int, *, as_json: bool) -> int:
    note(f"error: {message}")
    if as_json:
        say_json({"error": {"message": message, "code": code}})
    return status


def _write_crash(arguments: Sequence[str]) -> str:
    """Where the traceback is, in words."""
    file = _data_dir(arguments) / "run" / "crash.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"rag {' '.join(arguments)}\n\n{traceback.format_exc()}", "utf-8", "backslashreplace")
    except (OSError, ValueError) as error:  # ValueError: no path at all
        return f"the traceback could not be written to {str(file)!r}: {error}"
    return f"please report it with the traceback in {str(file)!r}"


def _data_dir(arguments: Sequence[str]) -> Path:
    """Where state lies, as far as that can be told without the command's help: it may be what failed."""
    words = [part for word in _options(arguments) for part in word.split("=", 1)]
    given = dict(pairwise(words))
    try:
        from rag.cli.options import load_settings

        data_dir = Path(given["--data-dir"]) if "--data-dir" in given else None
        config = Path(given["--config"]) if "--config" in given else None
        return load_settings(data_dir, config).settings.data_dir
    except (RagError, ImportError):
        return Path("data")


def _options(arguments: Sequence[str]) -> list[str]:
    """The arguments before a `--`, behind which nothing is an option."""
    words = list(arguments)
    return words[: words.index("--")] if "--" in words else words
