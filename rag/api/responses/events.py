"""What the pipeline says, as the events of a streamed response. Pure: no clock, no chance, no socket."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.api.responses.items import without_results
from rag.api.responses.open import OpenCall, OpenMessage
from rag.api.responses.wire import annotation_json, search_json, text_json, usage_json
from rag.api.sources.link import SourceLinks
from rag.api.wire import Json, rag_json
from rag.ask import Event, Found, Report
from rag.types import CallDelta, Citation, Logprob

_CUT = "length"  # the engine's word for an answer that met max_output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """What is the same in all states of one response."""

    id: str
    created_at: int
    echo: Json  # the request's fields that every response repeats
    links: SourceLinks
    context: bool = False  # `rag` lists everything in the prompt
    shows_search: bool = False  # the client asked for the search
    shows_results: bool = False  # and for what it found
    tell: Callable[[Sequence[Logprob]], list[Json]] = lambda _: []  # log probabilities as the client gets them


class ResponseWriter:
    """Pipeline events in, OpenAI's events out, in OpenAI's order.

    output: the items as of now, with the results of a search whether or not the client sees them.
    """

    def __init__(self, head: ResponseHead, *, new_id: Callable[[str], str], now: Callable[[], float]) -> None:
        """Nothing has been said. new_id: a prefix to a new id. now: Unix time in seconds."""
        self.output: list[Json] = []
        self._head = head
        self._new_id = new_id
        self._now = now
        self._n_sent = 0
        self._found = Found(query="", hits=(), files={})
        self._message: OpenMessage | None = None
        self._calls: list[OpenCall] = []
        self._end: Json = {}  # what the end adds to the response

    def begin(self) -> list[Json]:
        """The events that open every response."""
        return [
            self._event("response.created", response=self.response()),
            self._event("response.in_progress", response=self.response()),
        ]

    def take(self, event: Event) -> list[Json]:
        """The events that one of the pipeline's stands for."""
        if isinstance(event, Found):
            self._found = event
            return self._searched(event) if self._head.shows_search else []
        if isinstance(event, Report):
            return self._reported(event)
        if isinstance(event.content, CallDelta):
            return self._called(event.content)
        return self._said(event.content, self._head.tell(event.logprobs))

    def fail(self, code: str, message: str) -> Json:
        """The event of an answer that broke. What was said of it stands in the output as incomplete."""
        for part in (self._message, *self._calls):
            if part:
                self.output[part.place] = part.item("incomplete")
        self._end = {"status": "failed", "error": {"code": code, "message": message}}
        return self._event("response.failed", response=self.response())

    def response(self) -> Json:
        """The response as of now."""
        head = self._head
        return {
            "id": head.id,
            "object": "response",
            "created_at": head.created_at,
            "status": "in_progress",
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            **head.echo,
            "output": [self._shown(item) for item in self.output],
            "usage": None,
            **self._end,
        }

    def _searched(self, found: Found) -> list[Json]:
        item_id, place = self._new_id("fs"), len(self.output)
        item = search_json(item_id, found)
        self.output.append(item)
        return [
            self._event("response.output_item.added", output_index=place, item=search_json(item_id, None)),
            *(
                self._event(f"response.file_search_call.{step}", output_index=place, item_id=item_id)
                for step in ("in_progress", "searching", "completed")
            ),
            self._event("response.output_item.done", output_index=place, item=self._shown(item)),
        ]

    def _said(self, content: str | Citation, logprobs: list[Json]) -> list[Json]:
        if not content and not logprobs:
            return []
        message, events = self._opened()
        if isinstance(content, Citation):
            message.annotations.append(annotation_json(content, self._found))
            message.untold += logprobs
            place = {"annotation_index": len(message.annotations) - 1, "annotation": message.annotations[-1]}
            return [*events, self._in_text(message, "response.output_text.annotation.added", **place)]
        message.text += content
        told = message.tell(logprobs)
        return [*events, self._in_text(message, "response.output_text.delta", delta=content, logprobs=told)]

    def _opened(self) -> tuple[OpenMessage, list[Json]]:
        """The message, and the events that open it where it was not open."""
        if self._message:
            return self._message, []
        self._message = message = OpenMessage(id=self._new_id("msg"), place=len(self.output))
        self.output.append(message.item("in_progress"))
        return message, [
            self._event("response.output_item.added", output_index=message.place, item=self.output[-1]),
            self._in_text(message, "response.content_part.added", part=text_json("", [], [])),
        ]

    def _called(self, delta: CallDelta) -> list[Json]:
        events = []
        if delta.index == len(self._calls):
            place, name, call_id = len(self.output), delta.name or "", delta.id or ""
            call = OpenCall(id=self._new_id("fc"), place=place, call_id=call_id, name=name)
            self._calls.append(call)
            self.output.append(call.item("in_progress"))
            events.append(self._event("response.output_item.added", output_index=place, item=self.output[-1]))
        call = self._calls[delta.index]
        call.arguments += delta.arguments
        if delta.arguments:
            kind = "response.function_call_arguments.delta"
            events.append(self._event(kind, output_index=call.place, item_id=call.id, delta=delta.arguments))
        return events

    def _reported(self, report: Report) -> list[Json]:
        status = "incomplete" if report.choices[0].finish_reason == _CUT else "completed"
        events: list[Json] = []
        if self._message or not self._calls:
            message, events = self._opened()
            told = message.tell([])
            events.append(self._in_text(message, "response.output_text.done", text=message.text, logprobs=told))
            events.append(self._in_text(message, "response.content_part.done", part=message.part()))
            events.append(self._done(message, status))
        for call in self._calls:
            where = {"output_index": call.place, "item_id": call.id}
            events.append(
                self._event("response.function_call_arguments.done", **where, arguments=call.arguments, name=call.name)
            )
            events.append(self._done(call, status))
        self._end = {
            "status": status,
            "usage": usage_json(report.usage),
            "rag": rag_json(report, self._head.links, context=self._head.context),
        }
        if status == "incomplete":
            self._end["incomplete_details"] = {"reason": "max_output_tokens"}
        else:
            self._end["completed_at"] = int(self._now())
        return [*events, self._event(f"response.{status}", response=self.response())]

    def _done(self, part: OpenMessage | OpenCall, status: str) -> Json:
        self.output[part.place] = part.item(status)
        return self._event("response.output_item.done", output_index=part.place, item=self.output[part.place])

    def _shown(self, item: Json) -> Json:
        return item if self._head.shows_results else without_results(item)

    def _in_text(self, message: OpenMessage, kind: str, **fields: object) -> Json:
        return self._event(kind, output_index=message.place, item_id=message.id, content_index=0, **fields)

    def _event(self, kind: str, **fields: object) -> Json:
        event = {"type": kind, "sequence_number": self._n_sent, **fields}
        self._n_sent += 1
        return event
