"""What an ingest will do: the files that were found against the documents that are known."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ingest.progress import Progress
from ingest.scan import Found, Refused, Scan, reason_of, too_large
from rag.store import Known

Key = tuple[str, str]  # root, path


@dataclass(slots=True, kw_only=True)
class Plan:
    """Every file in exactly one of these. A failed or skipped one may also be known from before."""

    new: list[Found] = field(default_factory=list)
    changed: list[Found] = field(default_factory=list)
    moved: list[tuple[str, Found]] = field(default_factory=list)  # with the old path
    unchanged: list[Found] = field(default_factory=list)
    removed: list[Key] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)


def plan(
    scan: Scan,
    known: Callable[[str], Mapping[str, Known]],
    *,
    recipe: str,
    max_file_bytes: int,
    prune: bool,
    progress: Progress,
) -> Plan:
    """The plan; reads every file that was found once, for its checksum.

    known: the documents of a root by path. recipe: a document made by another one counts as changed.
    """
    result = Plan(skipped=list(scan.skipped), failed=list(scan.failed))
    before = {(root, path): each for root in scan.roots for path, each in known(root).items()}
    new: dict[Key, tuple[Found, str]] = {}
    unread = set()
    progress.stage("compare", len(scan.found))
    for found in scan.found:
        key = (found.root, found.path)
        try:
            sha256 = hashlib.sha256(read_file(found.file, max_file_bytes)).hexdigest()
        except OSError as error:
            result.failed.append(Refused(root=found.root, path=found.path, reason=reason_of(error)))
            unread.add(key)
        else:
            old = before.get(key)
            if old is None:
                new[key] = (found, sha256)
            elif (old.sha256, old.recipe) == (sha256, recipe):
                result.unchanged.append(found)
            else:
                result.changed.append(found)
        progress.advance()
    there = {(found.root, found.path) for found in scan.found} | unread
    gone = {key: each for key, each in before.items() if key not in there and scan.covers(*key)} if prune else {}
    result.moved = _moved(new, {key: each for key, each in gone.items() if each.recipe == recipe})
    was = {(found.root, path) for path, found in result.moved}
    now = {(found.root, found.path) for _, found in result.moved}
    result.new = [found for key, (found, _) in new.items() if key not in now]
    result.removed = [key for key in gone if key not in was]
    return result


def read_file(file: Path, max_file_bytes: int) -> bytes:
    """The file's bytes.

    Raises:
        OSError: it cannot be read, or it has grown over the limit since it was found.
    """
    with file.open("rb") as opened:
        data = opened.read(max_file_bytes + 1)
    if len(data) > max_file_bytes:
        raise OSError(too_large(len(data), max_file_bytes))
    return data


def _moved(new: Mapping[Key, tuple[Found, str]], gone: Mapping[Key, Known]) -> list[tuple[str, Found]]:
    """Old path and file of each new file that has the bytes and the suffix of one that is gone."""
    free: dict[tuple[str, str, str], list[str]] = {}
    for (root, path), each in sorted(gone.items(), reverse=True):
        free.setdefault((root, each.sha256, PurePosixPath(path).suffix), []).append(path)
    moved = []
    for (root, path), (found, sha256) in new.items():
        candidates = free.get((root, sha256, PurePosixPath(path).suffix))
        if candidates:
            moved.append((candidates.pop(), found))
    return moved
