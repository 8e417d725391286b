"""What an engine writes, turned into what a client sees and what a judge hears, for each choice."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from rag.ask import Ask, Choice, Piece
from rag.cite import Draft, PlainStream, Statement, StatementStream
from rag.tools import STYLES, CallParser
from rag.types import CallDelta, Citation, CitationPolicy, Delta, Logprob, Shown, ToolCall


class ChoiceReader:
    """One choice as it arrives. Each token's log probability comes with the first piece after it was written.

    So they may run ahead of the text, of which some is held back; together they are of all that the model wrote,
    of markers that were removed and of calls as well.
    """

    def __init__(
        self, index: int, ask: Ask, shown: Sequence[Shown], *, policy: CitationPolicy, parser: str | None
    ) -> None:
        """index: of the choice. shown: the passages that a marker may name. policy: where the ask names none.

        parser: the family whose calls are read where the model may call but need not.
        """
        self._index = index
        chunks = {one.number: one.chunk.id for one in shown}
        self._policy = ask.citations or policy
        self._stream = StatementStream(chunks.keys()) if _is_cited(ask) else PlainStream()
        self._draft = Draft(chunks, drops=self._policy is CitationPolicy.DROP)
        self._parser = call_parser(ask, parser)
        self._unsure_at: int | None = None  # the possible marker that is held back,
        self._unsure_since = 0.0  # and since when
        self._calls: list[ToolCall] = []
        self._logprobs: list[Logprob] = []
        self._finish_reason: str | None = None

    def feed(self, delta: Delta, now: float) -> list[Piece | Statement]:
        """What is certain by now: pieces for the client, and statements for the judge. now: seconds on any clock."""
        parts = self._parser.feed(delta.text) if self._parser else [delta.text]
        found = [piece for part in parts for piece in self._pieces(part, now)]
        self._logprobs += delta.logprobs
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
            parts = self._parser.finish() if self._parser else []
            found += [piece for part in parts for piece in self._pieces(part, now)]
            found += self._said(self._draft.take(self._stream.finish(), now))
        self._watch(now)
        if not delta.logprobs:
            return found
        if found and isinstance(first := found[0], Piece):
            return [replace(first, logprobs=delta.logprobs), *found[1:]]
        return [Piece(choice=self._index, logprobs=delta.logprobs), *found]

    def judged(self, citations: Sequence[Citation]) -> list[Piece]:
        """What may be shown now that the first statement not judged before is."""
        return [Piece(choice=self._index, content=content) for content in self._draft.judged(citations)]

    @property
    def held_since(self) -> float | None:
        """Since when text has been held back, on the clock of `feed`; None: none is."""
        held = [self._draft.held_since, None if self._unsure_at is None else self._unsure_since]
        return min((since for since in held if since is not None), default=None)

    def let_go(self, since: float) -> list[Piece | Statement]:
        """Text that has been held back since then or longer."""
        events = self._stream.release() if self._unsure_at is not None and self._unsure_since <= since else []
        self._watch(since)
        return self._said([*self._draft.take(events, since), *self._draft.let_go(since)])

    @property
    def text(self) -> str:
        """All that the reader has by now."""
        return self._draft.text

    def doubts(self) -> list[tuple[str, str]]:
        """What a note is to name at the answer's end: statements and their markers, none of them verified.

        Only markers that the reader sees are named; a statement may be without. Calls have no note.
        """
        if self._policy is not CitationPolicy.APPEND_NOTE or self._calls:
            return []
        text = self.text
        seen = [fault for fault in self._draft.faults if fault.end > fault.start]
        return [(text[fault.start : fault.end] if fault.chunk else "", fault.marker) for fault in seen]

    def append(self, text: str) -> Piece:
        """Text that stands behind all that the model wrote."""
        self._draft.append(text)
        return Piece(choice=self._index, content=text)

    def choice(self) -> Choice:
        """All of it, once the engine has ended and every statement is judged."""
        reason = self._finish_reason or "stop"
        return Choice(
            finish_reason="tool_calls" if self._calls and reason == "stop" else reason,
            text=self.text,
            citations=tuple(self._draft.citations),
            faults=tuple(sorted(self._draft.faults, key=lambda fault: (fault.start, fault.end))),
            calls=tuple(self._calls),
            logprobs=tuple(self._logprobs),
        )

    def _watch(self, now: float) -> None:
        if self._stream.unsure_at != self._unsure_at:
            self._unsure_at, self._unsure_since = self._stream.unsure_at, now

    def _said(self, found: Sequence[str | Citation | Statement]) -> list[Piece | Statement]:
        return [one if isinstance(one, Statement) else Piece(choice=self._index, content=one) for one in found]

    def _pieces(self, part: str | CallDelta, now: float) -> list[Piece | Statement]:
        if isinstance(part, str):
            return self._said(self._draft.take(self._stream.feed(part), now))
        if part.id is not None and part.name is not None:
            self._calls.append(ToolCall(id=part.id, name=part.name, arguments=""))
        last = self._calls[-1]
        self._calls[-1] = ToolCall(id=last.id, name=last.name, arguments=last.arguments + part.arguments)
        return [Piece(choice=self._index, content=part)]


def _is_cited(ask: Ask) -> bool:
    # JSON would be damaged by what is done to markers, and its brackets mostly are none.
    return ask.collection is not None and ask.sampling.response_format is None


def call_parser(ask: Ask, parser: str | None) -> CallParser | None:
    """The reader of the calls that an answer may have, or None if it may have none."""
    choice = ask.tool_choice
    style = "json" if choice.mode == "required" or ask.sampling.response_format else parser
    if not ask.tools or choice.mode == "none" or style is None:
        return None
    names = frozenset(tool.name for tool in ask.tools)
    return CallParser(
        STYLES[style],
        names=names if choice.names is None else names & choice.names,
        new_id=lambda: f"call_{secrets.token_hex(12)}",
        max_calls=None if choice.parallel else 1,
    )
