"""One file to its documents: itself, and those inside it, within limits."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from ingest.readers.base import Extracted, Member, ReadFailure, Skip
from ingest.readers.container import Container
from ingest.readers.kinds import HEAD_BYTES, kind_of
from ingest.readers.limits import Budget, Limits
from ingest.readers.registry import Registry
from ingest.worker.frames import Part, Started

_UNSTORABLE = re.compile("[\ud800-\udfff\0]")  # UTF-8 has no surrogates, and SQLite's text ends at a zero
_REASON_CHARS = 300


class Walk:
    """One pass over one file. The same bytes give the same documents under the same numbers."""

    def __init__(self, limits: Limits, *, done: int = 0, dead: frozenset[int] = frozenset()) -> None:
        """done: documents up to this number are not told again; dead: those with these numbers are left alone."""
        self.ran_out_of_memory = False
        self._done = done
        self._dead = dead
        self._number = 0
        self._budget = Budget(limits)
        self._registry = Registry()

    def events(self, path: str, data: bytes, name: str = "", depth: int = 0) -> Iterator[Started | Part]:
        """The documents in order: each is told when it is begun and when it is read."""
        self._number += 1
        if self._number in self._dead:
            return
        is_told = self._number > self._done
        if is_told:
            yield Started(self._number, name)
        try:
            kind = kind_of(path, data[:HEAD_BYTES]) if data else None
            reader, container = self._registry.find(kind) if kind else (None, None)
        except Skip as reason:
            kind, reader, container = None, None, None
            refused = Part(name, skipped=str(reason))
        else:
            refused = Part(name, skipped="an archive, whose files are not read here" if data else "empty")
        if not self._budget.limits.members:
            container = None
        if is_told and (reader or not container):
            yield self._guarded(name, lambda: self._document(name, reader, data)) if reader else refused
        if container:
            yield from self._inside(name, container, data, depth + 1)

    def _inside(self, name: str, container: Container, data: bytes, depth: int) -> Iterator[Started | Part]:
        if depth > self._budget.limits.depth:
            yield from self._told(Part(name, skipped=f"it lies inside {self._budget.limits.depth} others already"))
            return
        members = container.members(data, self._budget)
        while True:
            taken: list[Member] = []
            problem = self._guarded(name, lambda: self._take(name, members, taken))  # noqa: B023
            if problem.failed or problem.skipped:
                yield from self._told(problem)
            if not taken:
                return
            (member,) = taken
            inner = f"{name}/{member.name}" if name else member.name
            if member.data is None:
                yield from self._told(Part(inner, skipped=member.skipped, failed=member.failed))
            else:
                yield from self.events(member.name, member.data, inner, depth)

    def _told(self, part: Part) -> Iterator[Part]:
        self._number += 1
        if self._number > self._done:
            yield part

    def _take(self, name: str, members: Iterator[Member], taken: list[Member]) -> Part:
        for member in members:
            self._budget.count_member()
            taken.append(member)
            break
        return Part(name)

    def _document(self, name: str, reader: Callable[[bytes], Extracted], data: bytes) -> Part:
        extracted = reader(data)
        self._budget.count_chars(len(extracted.text))
        if not extracted.text.strip():
            return Part(name, skipped="empty: it has nothing but white space")
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", extracted.text)
        return Part(name, extracted=replace(extracted, text=text))

    def _guarded(self, name: str, read: Callable[[], Part]) -> Part:
        """What `read` gives, or in a part why it gives nothing. This is the top frame of all readers."""
        try:
            return read()
        except Skip as reason:
            return Part(name, skipped=str(reason))
        except ReadFailure as reason:
            return Part(name, failed=str(reason))
        except MemoryError:
            self.ran_out_of_memory = True
            return Part(name, failed="it takes more memory to read than ingest.worker_memory_bytes")
        except RecursionError:
            return Part(name, failed="damaged: nested too deeply")
        except Exception as error:  # noqa: BLE001
            words = " ".join(f"{type(error).__name__}: {error}".split())
            words = _UNSTORABLE.sub("", words)[:_REASON_CHARS]
            return Part(name, failed=f"damaged: the reader gave up ({words})")
