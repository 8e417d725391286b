"""What an ingest did, for people."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.cli.output import say

if TYPE_CHECKING:
    from ingest.pipeline import Summary
    from ingest.scan import Refused

_LISTED = 20
_COUNTS = ("new", "changed", "moved", "unchanged", "removed")


def show_summary(summary: "Summary", *, dry_run: bool) -> None:
    """Nothing; all of it stands on standard output."""
    say(f"{'plan' if dry_run else 'done'}: " + ", ".join(f"{getattr(summary, name)} {name}" for name in _COUNTS))
    _list("skipped", summary.skipped)
    _list("failed", summary.failed)
    if dry_run:
        say("Nothing was written.")
        return
    say(
        f"Collection {summary.collection!r}, generation {summary.generation}: {summary.chunks} chunks, "
        f"{summary.embedded} embedded in {summary.seconds:.1f} s"
    )
    say("next: rag serve")


def summary_line(summary: "Summary") -> str:
    """The same on one line, for one of many runs."""
    counts = [f"{getattr(summary, name)} {name}" for name in _COUNTS if getattr(summary, name)]
    line = f"{time.strftime('%H:%M:%S')} generation {summary.generation}: {', '.join(counts) or 'no documents'}"
    line += f"; {summary.embedded} chunks embedded in {summary.seconds:.1f} s"
    if summary.failed:
        first = summary.failed[0]
        more = f" and {len(summary.failed) - 1} more" if len(summary.failed) > 1 else ""
        line += f"; failed: {first.path} ({first.reason}){more}"
    return line


def _list(what: str, files: Sequence["Refused"]) -> None:
    if not files:
        return
    say(f"{what}: {len(files)}")
    for each in files[:_LISTED]:
        say(f"  {each.path}: {each.reason}")
    if len(files) > _LISTED:
        say(f"  and {len(files) - _LISTED} more (--json lists all)")
