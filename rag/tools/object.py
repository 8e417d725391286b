"""One JSON object that may be a call, read character by character."""

import json

_ARGUMENTS = ("arguments", "parameters")


class CallObject:
    """`name` as soon as it is known; `raw` is all that was read; `is_over` at its closing brace.

    It reads members of the outermost object and skips over what is in them, so text that is no JSON gives no name
    and does no harm.
    """

    def __init__(self) -> None:
        """Nothing read. The first character must be an opening brace."""
        self.name: str | None = None
        self.has_arguments = False  # all of them were read
        self.is_over = False
        self.in_string = False
        self._is_escaped = False
        self._depth = 0
        self._key = ""
        self._start: int | None = None  # where the key or value begins
        self._is_value = False  # behind the colon
        self._chars: list[str] = []
        self._arguments: list[str] = []  # that were not given out

    @property
    def may_be_call(self) -> bool:
        """Whether no member stands before the name but arguments."""
        return self.name is not None or self._key in ("", "name", *_ARGUMENTS)

    @property
    def raw(self) -> str:
        """All that was read."""
        return "".join(self._chars)

    def new_arguments(self) -> str:
        """What is known of the arguments since the last call of this."""
        new, self._arguments = "".join(self._arguments), []
        return new

    def take(self, char: str) -> None:
        """Read one character."""
        self._chars.append(char)
        if self.in_string:
            self._take_in_string(char)
        elif char == '"':
            self.in_string = True
            self._begin()
        elif char in "{[":
            self._begin()
            self._depth += 1
        elif char in "}]":
            self._depth -= 1
            self.is_over = self._depth <= 0
            if self.is_over:
                self._end_member()
        elif self._depth == 1 and char == ":" and not self._is_value:
            self._is_value, self._start = True, None
        elif self._depth == 1 and char == ",":
            self._end_member()
        elif not char.isspace():
            self._begin()
        self._pass_on(char)

    def _take_in_string(self, char: str) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif char == "\\":
            self._is_escaped = True
        elif char == '"':
            self.in_string = False
            if self._depth == 1 and not self._is_value and self._start is not None:
                key = _loaded("".join(self._chars[self._start :]))
                self._key = key if isinstance(key, str) else ""

    def _begin(self) -> None:
        if self._depth == 1 and self._start is None:
            self._start = len(self._chars) - 1

    def _pass_on(self, char: str) -> None:
        """Arguments that are an object are known as they come."""
        if not self._is_open_arguments() or self._start is None or self._chars[self._start] != "{":
            return
        if self._depth > 1:
            self._arguments.append(char)
        elif char == "}":
            self._arguments.append(char)
            self.has_arguments = True

    def _is_open_arguments(self) -> bool:
        return self._is_value and self._key in _ARGUMENTS and not self.has_arguments

    def _end_member(self) -> None:
        if self._start is not None and self._is_value:
            text = "".join(self._chars[self._start : -1]).rstrip()
            if self._key == "name":
                name = _loaded(text)
                self.name = name if isinstance(name, str) else None
            elif self._is_open_arguments():
                value = _loaded(text)  # some models write them as a string, and some write null for none
                self._arguments.append((value if isinstance(value, str) else text if value is not None else "") or "{}")
                self.has_arguments = True
        self._is_value, self._start, self._key = False, None, ""


def _loaded(text: str) -> object:
    """The value; what is no JSON, or no Unicode, as it was written. None if nothing was."""
    try:
        value: object = json.loads(text)
        if isinstance(value, str):
            value.encode()
    except (ValueError, RecursionError):
        return text or None
    return value
