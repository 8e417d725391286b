"""Which files of a collection cannot be read, as its catalog has them after a run."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ingest.plan import Plan
from ingest.scan import Scan
from rag.store import Failure


def failing(before: Iterable[Failure], scan: Scan, done: Plan) -> Iterator[Failure]:
    """What failed in this run, and what failed before where this run did not look, unless its file is gone.

    before: what the collection had. done: the plan as it was carried out.
    """
    for each in before:
        if not _looked_at(each, scan) and not _is_gone(each):
            yield each
    for refused in done.failed:
        yield Failure(root=refused.root, path=refused.path, reason=refused.reason)


def _looked_at(failure: Failure, scan: Scan) -> bool:
    """Whether the scan would have come upon the file; one in an archive, upon the archive."""
    if (failure.root, "") in scan.seen:
        return not any((failure.root, folder) in scan.unread for folder in ("/", *_above(failure.path)))
    return any((failure.root, place) in scan.seen for place in _places(failure.path))


def _is_gone(failure: Failure) -> bool:
    """Whether its folder is there and the file is not: it may have been named alone, and nobody names it again."""
    folder = Path(failure.root)
    if failure.path.endswith("/") or "\\" in failure.path:  # a folder; a name that is no UTF-8
        return False
    try:
        is_there = any((folder / place).is_file() for place in _places(failure.path))
        return folder.is_dir() and not is_there  # it is none in shared storage, or while a disk is away
    except OSError:
        return False


def _places(path: str) -> tuple[str, ...]:
    """The path, and those above it: of a file in an archive one of them is the archive's."""
    return (path, *(folder.rstrip("/") for folder in _above(path)))


def _above(path: str) -> Iterator[str]:
    """The folders that a file stands in, each with a final "/"."""
    return (path[: index + 1] for index, letter in enumerate(path[:-1]) if letter == "/")
