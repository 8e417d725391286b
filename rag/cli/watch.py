"""`rag ingest --watch`: the same ingest again whenever something may have changed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.output import note, say, say_json
from rag.cli.summary import summary_line
from rag.errors import RagError
from rag.remote import local_path

if TYPE_CHECKING:
    from ingest.pipeline import Summary


def watch(paths: Sequence[str], run: Callable[[], "Summary"], *, data_dir: Path, as_json: bool) -> None:
    """Nothing, when it is interrupted. A line is printed for each run that did something or failed otherwise.

    Raises:
        RagError: the first run cannot be done. What goes wrong later may be mended meanwhile, so it is only told.
    """
    from ingest.watch import changes

    shown: object = None  # how it stood when it was last told
    try:
        for _ in changes([path for path in map(local_path, paths) if path], ignored=data_dir):
            try:
                summary = run()
            except RagError as error:
                if shown is None:
                    raise
                if shown != str(error):
                    _tell(error, as_json=as_json)
                shown = str(error)
                continue
            state = (summary.generation, summary.failed)
            if state != shown:
                if as_json:
                    say_json(summary.as_dict(), indent=None)
                else:
                    say(summary_line(summary))
            shown = state
    except KeyboardInterrupt:
        note("stopped watching")


def _tell(error: RagError, *, as_json: bool) -> None:
    note(f"error: {error}")
    if as_json:
        say_json({"error": {"message": str(error), "code": error.code}}, indent=None)
