"""What an engine writes, turned into what a client sees and what a judge hears, for each choice."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace

from rag.ask import Ask, Choice, Piece
from rag.cite import PlainStream, Statement, StatementStream
from rag.tools import STYLES, CallParser
from rag.types import CallDelta, Citation, Delta, Logprob, ToolCall


class ChoiceReader:
    """One choice as it arrives. Each token's log probability comes with the first piece after it was written.

    So they may run ahead of the text, of which some is held back; together they are of all that the model wrote,
    of markers that were removed and of calls as well.
    """

    def __init__(self, index: int, ask: Ask, numbers: Collection[int], *, parser: str | None) -> None:
        """index: of the choice. numbers: of the passages that a marker may name.

        parser: the family whose calls are read where the model may call but need not.
        """
        self._index = index
        self._cited = StatementStream(numbers) if _is_cited(ask) else PlainStream()
        self._parser = call_parser(ask, parser)
        self._citations: list[Citation] = []
        self._calls: list[ToolCall] = []
        self._logprobs: list[Logprob] = []
        self._finish_reason: str | None = None

    def feed(self, delta: Delta) -> list[Piece | Statement]:
        """What is certain by now: pieces for the client, and statements for the judge."""
        found = [piece for part in self._parts(delta.text) for piece in self._pieces(part)]
        self._logprobs += delta.logprobs
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
            found += [piece for part in self._last_parts() for piece in self._pieces(part)]
            found += self._said(self._cited.finish())
        if not delta.logprobs:
            return found
        if found and isinstance(first := found[0], Piece):
            return [replace(first, logprobs=delta.logprobs), *found[1:]]
        return [Piece(choice=self._index, logprobs=delta.logprobs), *found]

    def judged(self, citations: Sequence[Citation]) -> list[Piece]:
        """What the judge found for the first statement that was not judged before."""
        self._citations += citations
        return [Piece(choice=self._index, content=citation) for citation in citations]

    def choice(self) -> Choice:
        """All of it, once the engine has ended and every statement is judged."""
        reason = self._finish_reason or "stop"
        return Choice(
            finish_reason="tool_calls" if self._calls and reason == "stop" else reason,
            text=self._cited.text,
            citations=tuple(self._citations),
            calls=tuple(self._calls),
            logprobs=tuple(self._logprobs),
            n_markers_removed=self._cited.n_removed,
        )

    def _parts(self, text: str) -> Sequence[str | CallDelta]:
        return self._parser.feed(text) if self._parser else [text]

    def _last_parts(self) -> Sequence[str | CallDelta]:
        return self._parser.finish() if self._parser else []

    def _said(self, events: Sequence[str | Statement]) -> list[Piece | Statement]:
        return [Piece(choice=self._index, content=event) if isinstance(event, str) else event for event in events]

    def _pieces(self, part: str | CallDelta) -> list[Piece | Statement]:
        if isinstance(part, str):
            return self._said(self._cited.feed(part))
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
