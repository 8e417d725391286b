"""An answer on its way to the reader: what of it may be seen, and where its citations then stand."""

import bisect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.cite.judge import Statement
from rag.cite.markers import Marker
from rag.cite.stream import Marked, StreamEvent, Unknown
from rag.types import ChunkId, Citation, Fault, Problem, Status


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """A statement, and its marker if it has one, on the way from the judge to the reader."""

    marked: Marked | None
    since: float
    citations: tuple[Citation, ...] | None = None  # None: not judged yet
    shown: str | None = None  # the marker as the reader gets it, once that is settled,
    ends_at: int = 0  # and where it ends
    is_late: bool = False  # the reader gets the marker before it is judged


class Draft:
    """Events of a `StatementStream` in, text for the reader and citations out, with offsets in `text`."""

    def __init__(self, chunks: Mapping[int, ChunkId], *, drops: bool) -> None:
        """chunks: what each number stands for.

        drops: markers of unsupported citations are taken out. So a marker, and what stands behind it, awaits the judge.
        """
        self.citations: list[Citation] = []
        self.faults: list[Fault] = []
        self._chunks = chunks
        self._numbers = {chunk_id: number for number, chunk_id in chunks.items()}
        self._drops = drops
        self._parts: list[str] = []
        self._n_chars = 0  # of all parts
        self._held: deque[str | Unknown | _Waiting] = deque()  # in the order of the text
        self._unjudged: deque[_Waiting] = deque()
        self._edited_at: list[int] = []  # offsets of the stream's text from which on the reader's differ by
        self._shifts: list[int] = []  # so much
        self._dropped_blanks = ""  # what stood before a dropped marker, for one that follows directly

    @property
    def text(self) -> str:
        """The answer as the reader has it."""
        return "".join(self._parts)

    @property
    def held_since(self) -> float | None:
        """When the marker came that has waited longest; None: none waits."""
        return next((one.since for one in self._held if isinstance(one, _Waiting)), None)

    def take(self, events: Iterable[StreamEvent], now: float) -> list[str | Citation | Statement]:
        """What may be shown, and the statements for the judge, in their order."""
        statements: list[Statement] = []
        for event in events:
            if isinstance(event, Marked | Statement):
                marked = event if isinstance(event, Marked) else None
                waiting = _Waiting(marked=marked, since=now)
                self._unjudged.append(waiting)
                statements.append(event.statement if isinstance(event, Marked) else event)
                if marked:
                    self._held.append(waiting)
            else:
                self._held.append(event)
        return [*self._certain(), *statements]

    def judged(self, citations: Sequence[Citation]) -> list[str | Citation]:
        """What may be shown now that the first statement not judged before is. citations: of this one."""
        waiting = self._unjudged.popleft()
        waiting.citations = tuple(citations)
        if waiting.marked and waiting.shown is None:
            return self._certain()
        return list(self._given(waiting))

    def let_go(self, since: float) -> list[str | Citation]:
        """What has waited since then or longer is shown, judged or not."""
        for one in self._held:
            if isinstance(one, _Waiting):
                if one.since > since:
                    break  # and so did all behind it
                one.is_late = True
        return self._certain()

    def append(self, text: str) -> None:
        """Add what is none of the model's."""
        self._say(text)

    def _certain(self) -> list[str | Citation]:
        shown: list[str | Citation] = []
        while self._held:
            head = self._held[0]
            if isinstance(head, _Waiting) and self._must_wait(head):
                break
            self._held.popleft()
            if isinstance(head, str):
                self._dropped_blanks = ""
                shown.append(self._say(head))
            elif isinstance(head, Unknown):
                shown.append(self._pass_unknown(head))
            elif head.marked:
                shown += [self._pass_marker(head, head.marked), *self._given(head)]
        return [one for one in shown if one]

    def _must_wait(self, waiting: _Waiting) -> bool:
        is_fixed = waiting.marked is not None and waiting.marked.is_fixed
        return self._drops and waiting.citations is None and not (waiting.is_late or is_fixed)

    def _pass_unknown(self, unknown: Unknown) -> str:
        """What the reader gets of it: nothing, unless some of it is seen already."""
        whole = unknown.blanks + unknown.text
        said = ""
        if unknown.is_fixed:
            said = self._say(whole[unknown.n_shown :])
            self._dropped_blanks = ""
        self._edit(unknown.at, len(whole) if unknown.is_fixed else unknown.n_shown)
        self._blame(unknown.numbers, unknown.text, len(unknown.text) if unknown.is_fixed else 0)
        return said

    def _pass_marker(self, waiting: _Waiting, marked: Marked) -> str:
        """What the reader gets of a marker: nothing where all that it names is to be dropped."""
        statement, blanks = marked.statement, marked.blanks
        marker = self._kept(waiting, marked)
        if marker:
            if not blanks and not marked.n_shown and self._dropped_blanks:
                blanks = self._dropped_blanks
                self._edit(statement.marker_start, len(blanks))
            said = self._say((blanks + marker)[marked.n_shown :])
            self._dropped_blanks = ""
            self._edit(statement.marker_end, len(marker) - len(statement.marker))
        else:
            said = ""
            self._dropped_blanks = blanks[marked.n_shown :] or self._dropped_blanks
            self._edit(statement.marker_end, marked.n_shown - len(blanks) - len(statement.marker))
        waiting.shown, waiting.ends_at = marker, self._n_chars
        self._blame(marked.unknown, statement.marker, len(marker))
        return said

    def _kept(self, waiting: _Waiting, marked: Marked) -> str:
        """The marker as the reader sees it."""
        statement = marked.statement
        if not self._drops or waiting.citations is None or marked.is_fixed:
            waiting.is_late = True
            return statement.marker
        supported = {citation.chunk.id for citation in waiting.citations if citation.status != Status.UNSUPPORTED}
        numbers = [number for number in statement.numbers if self._chunks[number] in supported]
        left = Marker(blanks="", text=statement.marker, numbers=statement.numbers).only(numbers)
        return left.text if left else ""

    def _given(self, waiting: _Waiting) -> Iterator[Citation]:
        """The citations of a statement as the reader gets them. They are noted, and so is what is wrong with them."""
        for citation in waiting.citations or ():
            start = self._place(citation.start)
            end = max(start, self._place(citation.end, is_end=True))
            if citation.status == Status.UNSUPPORTED:
                problem, chunk = citation.problem or Problem.UNSUPPORTED, citation.chunk
                marker = _one(citation.marker, self._numbers[chunk.id]) if citation.marker else ""
                self.faults.append(Fault(problem=problem, marker=marker, start=start, end=end, chunk=chunk))
                if self._drops and not waiting.is_late:
                    continue
            marker, ends_at = waiting.shown or "", end if waiting.shown is None else waiting.ends_at
            moved = replace(
                citation, start=start, end=end, marker=marker, marker_start=ends_at - len(marker), marker_end=ends_at
            )
            self.citations.append(moved)
            yield moved

    def _blame(self, numbers: Sequence[int], marker: str, n_chars: int) -> None:
        """Note numbers that name nothing, of a marker whose last `n_chars` were just said."""
        self.faults += [
            Fault(
                problem=Problem.UNKNOWN_MARKER,
                marker=_one(marker, number),
                start=self._n_chars - n_chars,
                end=self._n_chars,
                chunk=None,
            )
            for number in numbers
        ]

    def _say(self, text: str) -> str:
        self._parts.append(text)
        self._n_chars += len(text)
        return text

    def _edit(self, at: int, n_chars: int) -> None:
        """From `at` on, the reader's text is so much longer than the stream's."""
        if n_chars:
            self._edited_at.append(at)
            self._shifts.append((self._shifts[-1] if self._shifts else 0) + n_chars)

    def _place(self, offset: int, *, is_end: bool = False) -> int:
        """An offset of the stream's text in the reader's. is_end: what was put in just there stands behind it."""
        find = bisect.bisect_left if is_end else bisect.bisect_right
        n_edits = find(self._edited_at, offset)
        return offset + (self._shifts[n_edits - 1] if n_edits else 0)


def _one(marker: str, number: int) -> str:
    """The marker as if it named but one number."""
    return f"{marker[0]}{number}{marker[-1]}"
