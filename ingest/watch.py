"""When to look at folders again. What an event says is not trusted, only that there was one."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from watchfiles import Change, watch

_TICK_MS = 1000
_DEBOUNCE_MS = 1600  # changes that follow each other so closely are looked at together

Batch = set[tuple[Change, str]]


def changes(paths: Sequence[Path], *, ignored: Path, rescan_s: float = 60.0) -> Iterator[None]:
    """Comes at once, then whenever something below `paths` may have changed, and after `rescan_s` in any case.

    Events can be lost: more of them than the kernel keeps, folders on other machines, more folders than may be
    watched. So they only say when to look. A path that vanishes is watched again when it is back. Never ends.

    ignored: a folder whose changes are our own.
    """
    while True:
        watched = _identities(paths)
        batches = _watched(paths)
        next(batches)  # before the first look, so that nothing falls between the two
        yield
        looked = time.monotonic()
        for batch in batches:
            if _identities(paths) != watched:
                break
            if _concerns(batch, ignored.resolve()) or time.monotonic() - looked >= rescan_s:
                yield
                looked = time.monotonic()


def _watched(paths: Sequence[Path]) -> Iterator[Batch]:
    """What has changed, at least once a tick."""
    folders = {path if path.is_dir() else path.parent for path in paths if path.exists()}
    with suppress(OSError, RuntimeError):  # too many folders, or one has vanished: the clock alone says when to look
        yield from watch(
            *folders,
            watch_filter=None,
            recursive=any(path.is_dir() for path in paths),
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            debounce=_DEBOUNCE_MS,
            ignore_permission_denied=True,
        )
    while True:
        yield set()
        time.sleep(_TICK_MS / 1000)


def _concerns(batch: Batch, ignored: Path) -> bool:
    return any(not Path(path).is_relative_to(ignored) for _, path in batch)


def _identities(paths: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Which folders and files stand at these paths; None: nothing does. A file may be replaced at any time."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        folder = path if path.is_dir() else path.parent
        try:
            status = folder.stat()
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found
