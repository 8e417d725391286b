"""What an engine writes, turned into what a client sees: text, citations and calls, for each choice."""

import secrets
from collections.abc import Sequence

from rag.ask import Ask, Choice, Piece
from rag.cite import CitationStream, PlainStream
from rag.tools import STYLES, CallParser
from rag.types import CallDelta, Citation, Delta, Logprob, Shown, ToolCall


class ChoiceReader:
    """One choice as it arrives. Each token's log probability comes with the first piece after it was written.

    So they may run ahead of the text, of which some is held back; together they are of all that the model wrote,
    of markers that were removed and of calls as well.
    """

    def __init__(self, index: int, ask: Ask, shown: Sequence[Shown], *, parser: str | None) -> None:
        """index: of the choice. parser: the family whose calls are read where the model may call but need not."""
        self._index = index
        # JSON would be damaged by what is done to markers, and its brackets mostly are none.
        is_cited = ask.collection is not None and ask.sampling.response_format is None
        self._cited = CitationStream(shown) if is_cited else PlainStream()
        self._parser = call_parser(ask, parser)
        self._calls: list[ToolCall] = []
        self._logprobs: list[Logprob] = []
        self._finish_reason: str | None = None

    def feed(self, delta: Delta) -> list[Piece]:
        """What is certain by now."""
        pieces = [piece for part in self._parts(delta.text) for piece in self._pieces(part)]
        self._logprobs += delta.logprobs
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
            pieces += [piece for part in self._last_parts() for piece in self._pieces(part)]
            pieces += [Piece(choice=self._index, content=event) for event in self._cited.finish()]
        if not delta.logprobs:
            return pieces
        first, *others = pieces or [Piece(choice=self._index)]
        return [Piece(choice=self._index, content=first.content, logprobs=delta.logprobs), *others]

    def choice(self) -> Choice:
        """All of it, once the engine has ended."""
        reason = self._finish_reason or "stop"
        return Choice(
            finish_reason="tool_calls" if self._calls and reason == "stop" else reason,
            text=self._cited.text,
            citations=self._cited.citations,
            calls=tuple(self._calls),
            logprobs=tuple(self._logprobs),
            n_markers_removed=self._cited.n_removed,
        )

    def _parts(self, text: str) -> Sequence[str | CallDelta]:
        return self._parser.feed(text) if self._parser else [text]

    def _last_parts(self) -> Sequence[str | CallDelta]:
        return self._parser.finish() if self._parser else []

    def _pieces(self, part: str | CallDelta) -> list[Piece]:
        if isinstance(part, str):
            events: Sequence[str | Citation] = self._cited.feed(part)
            return [Piece(choice=self._index, content=event) for event in events]
        if part.id is not None and part.name is not None:
            self._calls.append(ToolCall(id=part.id, name=part.name, arguments=""))
        last = self._calls[-1]
        self._calls[-1] = ToolCall(id=last.id, name=last.name, arguments=last.arguments + part.arguments)
        return [Piece(choice=self._index, content=part)]


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
