"""Tools, calls and results as text, in the way that a family of models writes them.

Tags of a model's own are control tokens in its vocabulary, so nobody's text may hold one. Where a tag is meant, the
text has a character in its place that stands for it and for nothing else; `split_tags` finds them again.
"""

import json
import re
from collections.abc import Iterator, Sequence

from rag.render.parts import Parts
from rag.types import Message, Tool, ToolCall

_TAGS = ("<tools>", "</tools>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
# From the second private use plane, which no text is known to use; what is found there in text is left out.
_FOR = {tag: chr(0x10F000 + index) for index, tag in enumerate(_TAGS)}
_TAG_OF = {char: tag for tag, char in _FOR.items()}
_ANY = re.compile(f"[{''.join(_TAG_OF)}]")


def spoken(messages: Sequence[Message], tools: Sequence[Tool], *, style: str, parts: Parts) -> tuple[Message, ...]:
    """The dialogue as plain text of `system`, `user`, `assistant` and `tool`, the definitions of tools at its head.

    It depends on nothing but its arguments, and a later turn only adds to it.

    style: a name of `rag.tools.STYLES`.
    """
    said = [Message(message.role, _text(message, style)) for message in messages]
    if not tools:
        return tuple(said)
    definitions = _tagged(parts.tools(style, [_definition(tool) for tool in tools]))
    first = next((index for index, message in enumerate(said) if message.role != "system"), len(said))
    return (*said[:first], Message("system", definitions), *said[first:])


def split_tags(text: str) -> Iterator[tuple[str, str]]:
    """Stretches of text, each with the tag behind it ("": the end)."""
    start = 0
    for found in _ANY.finditer(text):
        yield text[start : found.start()], _TAG_OF[found[0]]
        start = found.end()
    yield text[start:], ""


def _text(message: Message, style: str) -> str:
    if message.role == "tool":
        return _in_tags("tool_response", message.content) if style == "hermes" else _clean(message.content)
    if style == "hermes":
        calls = [_in_tags("tool_call", _call(call, "arguments")) for call in message.calls]
    else:
        calls = ["; ".join(_call(call, "parameters") for call in message.calls)] if message.calls else []
    return "\n".join([*([_clean(message.content)] if message.content else []), *calls])


def _definition(tool: Tool) -> str:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    text = json.dumps({"type": "function", "function": function}, ensure_ascii=False)
    for tag in _TAGS:
        text = text.replace(tag, f"\\u003c{tag[1:]}")  # the same JSON, and no tag
    return _clean(text)


def _call(call: ToolCall, member: str) -> str:
    """The call as the model wrote it: its arguments are kept to the letter where they are JSON."""
    try:
        json.loads(call.arguments)
        arguments = call.arguments
    except (ValueError, RecursionError):
        arguments = json.dumps(call.arguments, ensure_ascii=False)
    return _clean(f'{{"name": {json.dumps(call.name)}, "{member}": {arguments}}}')


def _in_tags(tag: str, text: str) -> str:
    return f"{_FOR[f'<{tag}>']}\n{_clean(text)}\n{_FOR[f'</{tag}>']}"


def _tagged(text: str) -> str:
    for tag, char in _FOR.items():
        text = text.replace(tag, char)
    return text


def _clean(text: str) -> str:
    return _ANY.sub("", text)
