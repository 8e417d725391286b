"""Writes the golden files anew: `python tests/golden/regenerate.py`. Read the difference before you commit it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from rag.cli.app import app

FOLDER = Path(__file__).parent
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


def cli_help() -> str:
    """The help of every command, as a terminal of 100 columns shows it."""
    return "\n".join(f"$ rag {' '.join([*words, '--help'])}\n{help_of(words)}" for words in commands())


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, that of `rag` itself being none, in the order of the help."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words
        inner = getattr(command, "commands", {})
        waiting.extend(((*words, name), inner[name]) for name in reversed(inner))


def help_of(words: tuple[str, ...]) -> str:
    """What `rag … --help` prints."""
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="rag", env=PLAIN)
    if done.exit_code != 0:
        raise SystemExit(f"rag {' '.join(words)} --help ended with {done.exit_code}: {done.output}")
    return done.stdout


GOLDEN: dict[str, Callable[[], str]] = {"cli_help.txt": cli_help}

if __name__ == "__main__":
    for name, make in GOLDEN.items():
        (FOLDER / name).write_text(make(), "utf-8")
