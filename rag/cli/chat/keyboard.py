"""Lines of whoever types or of a pipe, and a sign of life on a terminal until an answer begins."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.cli.output import can_redraw, note

_PROMPT = "> "


def is_typed() -> bool:
    """Whether somebody types, rather than a pipe or a file that is read."""
    return sys.stdin.isatty()


def lines(words: tuple[str, ...]) -> Iterator[str]:
    """Every line until the end of the input, without white space around it. An interrupt drops a line that is typed.

    words: what the tab key completes. Earlier lines come back with the arrow keys, and are kept nowhere.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # what is not UTF-8 is no reason to end
    if not is_typed():
        yield from map(str.rstrip, sys.stdin)
        return
    _complete(words)
    while True:
        try:
            yield input(_PROMPT).rstrip()
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            note("\n/quit or Ctrl-D ends the conversation.")


def _complete(words: tuple[str, ...]) -> None:
    try:
        import readline
    except ImportError:  # a Python that was built without it: lines can be typed all the same
        return

    def nth(text: str, n: int) -> str | None:
        return ([word for word in words if word.startswith(text)] + [None] * (n + 1))[n] if text else None

    readline.set_completer_delims(" ")
    readline.set_completer(nth)
    readline.parse_and_bind("tab: complete")


@contextmanager
def waiting() -> Iterator[Callable[[], None]]:
    """What ends the sign of life, as the end of the block does."""
    if not (can_redraw(sys.stderr) and sys.stdout.isatty()):
        yield lambda: None
        return
    from rich.console import Console

    status = Console(stderr=True).status("reading")
    status.start()
    try:
        yield status.stop
    finally:
        status.stop()
