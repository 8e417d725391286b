"""A model's answer as it arrives, split into text and calls.

vLLM has parsers of its own, but only behind its chat completions, which take messages; ours sends token ids to its
completions, or no prompt could be joined from stored arrays. They are also tied to its internal request types.
"""

import string
from collections.abc import Callable, Iterator

from rag.tools.object import CallObject
from rag.tools.styles import Style
from rag.tools.tags import TagScanner
from rag.types import CallDelta


class CallParser:
    """Text -> text that is no call, and pieces of calls. White space around calls is dropped.

    An object that names none of the tools is text. What it gives does not depend on the pieces in which text comes,
    but for where it is cut.
    """

    def __init__(
        self, style: Style, *, names: frozenset[str], new_id: Callable[[], str], max_calls: int | None = None
    ) -> None:
        """names: of the tools that may be called. max_calls: calls behind so many are dropped."""
        self._style = style
        self._names = names
        self._new_id = new_id
        self._max_calls = max_calls
        self._scanner = TagScanner(style.tags)
        self._held = ""  # white space, tags and the like, which are text should no call follow
        self._may_open = not style.opening  # an opening brace begins a call
        self._object: CallObject | None = None
        self._index: int | None = None  # of the call that is being read, once it is known to be one
        self._n_calls = 0
        self._is_behind_call = False
        self._found: list[str | CallDelta] = []

    def feed(self, text: str) -> list[str | CallDelta]:
        """What is certain by now, in order."""
        for part, is_tag in self._scanner.feed(text):
            if is_tag:
                self._take_tag(part)
            else:
                self._take_text(part)
        return list(self._certain())

    def finish(self) -> list[str | CallDelta]:
        """The rest. Nothing may be fed afterwards."""
        self._take_text(self._scanner.finish())
        if self._object:
            self._end_object()
        if not (self._is_behind_call and not self._held.strip(self._style.between + string.whitespace)):
            self._say(self._held)
        self._held = ""
        return list(self._certain())

    def _certain(self) -> Iterator[str | CallDelta]:
        if self._object:
            self._pass_on(self._object)
        found, self._found = self._found, []
        text = ""
        for one in found:
            if isinstance(one, str):
                text += one
                continue
            if text:
                yield text
                text = ""
            yield one
        if text:
            yield text

    def _take_text(self, text: str) -> None:
        for char in text:
            if self._object:
                self._object.take(char)
                if self._object.is_over or (self._style.is_strict and not self._object.may_be_call):
                    self._end_object()
            elif self._may_open and char == "{":
                self._object = CallObject()
                self._object.take(char)
            elif char.isspace() or (self._may_open and char in self._style.between):
                self._held += char
            else:
                self._may_open = False
                self._is_behind_call = False
                self._say(self._held + char)
                self._held = ""

    def _take_tag(self, tag: str) -> None:
        if self._object:
            if tag != self._style.closing or self._object.in_string:
                self._take_text(tag)
                return
            self._end_object()
        if tag == self._style.closing and self._is_behind_call:
            return
        self._held += tag
        self._may_open = self._may_open if tag == self._style.closing else True

    def _pass_on(self, call: CallObject) -> None:
        """Say what is new of a call, once it is known to be one."""
        if self._index is None:
            if call.name not in self._names:
                return
            self._index, self._held = self._n_calls, ""
            self._n_calls += 1
            if self._is_wanted():
                self._found.append(CallDelta(index=self._index, id=self._new_id(), name=call.name))
        new = call.new_arguments()
        if new and self._is_wanted():
            self._found.append(CallDelta(index=self._index, arguments=new))

    def _is_wanted(self) -> bool:
        return self._max_calls is None or (self._index or 0) < self._max_calls

    def _end_object(self) -> None:
        call, self._object = self._object, None
        if call is None:
            return
        self._pass_on(call)
        self._is_behind_call = self._index is not None
        if self._index is None:
            self._say(self._held + call.raw)
            self._held = ""
        elif call.is_over and not call.has_arguments and self._is_wanted():
            self._found.append(CallDelta(index=self._index, arguments="{}"))
        # Behind a call without tags may stand another; behind an object that is none, only text.
        self._may_open = self._index is not None and not self._style.opening
        self._index = None

    def _say(self, text: str) -> None:
        if text:
            self._found.append(text)
