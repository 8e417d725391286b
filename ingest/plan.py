"""What an ingest will do: the files that were found against the documents that are known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ingest.digests import Digests, Sums
from ingest.progress import Progress
from ingest.scan import Found, Refused, Scan, reason_of
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

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.new or self.changed or self.moved or self.removed)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a document is made of: with the same content it is the same, wherever it stands."""

    sums: Sums
    recipe: str


def plan(
    scan: Scan,
    known: Callable[[str], Mapping[str, Known]],
    *,
    recipe: str,
    digests: Digests,
    prune: bool,
    progress: Progress,
) -> Plan:
    """The plan. Reads the files whose checksums are not known.

    known: the documents of a root by path. recipe: a document made by another one counts as changed.
    """
    result = Plan(skipped=list(scan.skipped), failed=list(scan.failed))
    before = {
        (root, path): _Content(Sums(each.sha256, each.beside), each.recipe)
        for root in scan.roots
        for path, each in known(root).items()
    }
    new: dict[Key, tuple[Found, _Content]] = {}
    progress.stage("compare", len(scan.found))
    for found, sums in digests.of(scan.found):
        key = (found.root, found.path)
        try:
            content = _Content(sums(), recipe)
        except OSError as error:
            result.failed.append(Refused(root=found.root, path=found.path, reason=reason_of(error)))
        else:
            if key not in before:
                new[key] = (found, content)
            elif before[key] == content:
                result.unchanged.append(found)
            else:
                result.changed.append(found)
        progress.advance()
    there = {(found.root, found.path) for found in scan.found}
    gone = {key: each for key, each in before.items() if key not in there and scan.covers(*key)} if prune else {}
    result.moved = _moved(new, gone)
    was = {(found.root, path) for path, found in result.moved}
    now = {(found.root, found.path) for _, found in result.moved}
    result.new = [found for key, (found, _) in new.items() if key not in now]
    result.removed = [key for key in gone if key not in was]
    return result


def _moved(new: Mapping[Key, tuple[Found, _Content]], gone: Mapping[Key, _Content]) -> list[tuple[str, Found]]:
    """Old path and file of each new file that has the content and the suffix of one that is gone."""
    free: dict[tuple[str, _Content, str], list[str]] = {}
    for (root, path), content in sorted(gone.items(), key=lambda item: item[0], reverse=True):
        free.setdefault((root, content, PurePosixPath(path).suffix), []).append(path)
    moved = []
    for (root, path), (found, content) in new.items():
        candidates = free.get((root, content, PurePosixPath(path).suffix))
        if candidates:
            moved.append((candidates.pop(), found))
    return moved
