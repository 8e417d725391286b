"""Which files of a collection cannot be read, as its catalog has them after a run."""

from collections.abc import Iterable, Iterator

from ingest.plan import Plan
from ingest.scan import Scan
from rag.store import Failure


def failing(before: Iterable[Failure], scan: Scan, done: Plan) -> Iterator[Failure]:
    """What failed in this run, and what failed before where this run did not look.

    before: what the collection had. done: the plan as it was carried out.
    """
    for each in before:
        if not _looked_at(each, scan):
            yield each
    for refused in done.failed:
        yield Failure(root=refused.root, path=refused.path, reason=refused.reason)


def _looked_at(failure: Failure, scan: Scan) -> bool:
    """Whether the scan would have come upon the file; one in an archive, upon the archive."""
    if (failure.root, "") in scan.seen:
        return not any((failure.root, folder) in scan.unread for folder in ("/", *_above(failure.path)))
    files = (failure.path, *(folder.rstrip("/") for folder in _above(failure.path)))
    return any((failure.root, file) in scan.seen for file in files)


def _above(path: str) -> Iterator[str]:
    """The folders that a file stands in, each with a final "/"."""
    return (path[: index + 1] for index, letter in enumerate(path[:-1]) if letter == "/")
