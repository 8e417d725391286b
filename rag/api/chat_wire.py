"""A chat completion as OpenAI's clients read it, whole or in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.api import sse
from rag.api.logprobs import chat_logprobs
from rag.api.sources.link import SourceLinks
from rag.api.wire import Json, annotation_json, call_delta_json, call_json, rag_json, usage_json
from rag.ask import Choice, Event, Found, Piece, Report
from rag.render import ChatTokenizer
from rag.types import Citation, Logprob


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWire:
    """What is the same in all parts of one answer."""

    id: str
    created: int
    model: str
    links: SourceLinks
    context: bool  # `rag` lists everything in the prompt
    logprobs: bool
    include_usage: bool  # the last chunk of a stream has it
    tokenizer: ChatTokenizer
    n: int = 1
    metadata: dict[str, str] | None = None
    service_tier: str | None = None

    def whole(self, report: Report) -> Json:
        """The completion."""
        body: Json = {
            **self._head("chat.completion"),
            "choices": [self._choice(index, choice) for index, choice in enumerate(report.choices)],
            "usage": usage_json(report.usage),
            "rag": rag_json(report, self.links, context=self.context),
        }
        if self.metadata is not None:
            body["metadata"] = self.metadata
        return body

    def chunks(self, event: Event, opened: set[int]) -> list[str]:
        """The chunks that an event of the pipeline stands for.

        opened: choices that have begun; new ones are added. A choice begins when it is known with what.
        """
        if isinstance(event, Found):
            return []
        if isinstance(event, Piece):
            delta = self._delta(event)
            begin = self._begin(event.choice, opened, content=None if "tool_calls" in delta else "")
            return [*begin, self._chunk(event.choice, delta, logprobs=event.logprobs)]
        chunks: list[str] = []
        last = len(event.choices) - 1
        rag = rag_json(event, self.links, context=self.context)
        for index, choice in enumerate(event.choices):
            chunks += self._begin(index, opened, content="")
            end = rag if index == last else None
            chunks.append(self._chunk(index, {}, finish_reason=choice.finish_reason, rag=end))
        if self.include_usage:
            chunk = {**self._head("chat.completion.chunk"), "choices": [], "usage": usage_json(event.usage)}
            chunks.append(sse.event(chunk))
        return chunks

    def _begin(self, choice: int, opened: set[int], *, content: str | None) -> list[str]:
        if choice in opened:
            return []
        opened.add(choice)
        return [self._chunk(choice, {"role": "assistant", "content": content})]

    def _delta(self, piece: Piece) -> Json:
        content = piece.content
        if isinstance(content, str):
            return {"content": content}
        if isinstance(content, Citation):
            return {"annotations": [annotation_json(content, self.links)]}
        return {"tool_calls": [call_delta_json(content)]}

    def _chunk(
        self,
        index: int,
        delta: Json,
        *,
        logprobs: Sequence[Logprob] = (),
        finish_reason: str | None = None,
        rag: Json | None = None,
    ) -> str:
        told = chat_logprobs(logprobs, self.tokenizer) if logprobs else None
        choice: Json = {"index": index, "delta": delta, "logprobs": told, "finish_reason": finish_reason}
        chunk: Json = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if self.include_usage:
            chunk["usage"] = None
        if rag:
            chunk["rag"] = rag
        return sse.event(chunk)

    def _choice(self, index: int, choice: Choice) -> Json:
        message: Json = {
            "role": "assistant",
            "content": (choice.text or None) if choice.calls else choice.text,
            "refusal": None,
            "annotations": [annotation_json(citation, self.links) for citation in choice.citations],
        }
        if choice.calls:
            message["tool_calls"] = [call_json(call) for call in choice.calls]
        told = chat_logprobs(choice.logprobs, self.tokenizer) if self.logprobs else None
        return {"index": index, "message": message, "logprobs": told, "finish_reason": choice.finish_reason}

    def _head(self, kind: str) -> Json:
        head: Json = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }
        if self.service_tier is not None:
            head["service_tier"] = "default"  # the only one there is
        return head
