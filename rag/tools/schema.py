"""The JSON Schema that makes any model call a tool."""

from collections.abc import Sequence

from rag.types import Tool

_ANSWER = "$answer"  # no tool has this name
_NO_ARGUMENTS: dict[str, object] = {"type": "object", "properties": {}}


def calls_schema(
    tools: Sequence[Tool], *, parallel: bool, answer: dict[str, object] | None = None
) -> dict[str, object]:
    """The schema of a call of one of `tools`, or with `parallel` of a list of one or more.

    Each tool's own schema stands under `$defs` by the tool's name, and its references are made to point there.

    answer: the schema of what may be written instead of calls.
    """
    definitions = {tool.name: _moved(tool.parameters or _NO_ARGUMENTS, tool.name) for tool in tools}
    calls: list[object] = [_call(tool) for tool in tools]
    if parallel:
        calls = [{"type": "array", "minItems": 1, "items": {"anyOf": calls}}]
    if answer is not None:
        definitions[_ANSWER] = _moved(answer, _ANSWER)
        calls.append({"$ref": f"#/$defs/{_ANSWER}"})
    schema = calls[0] if len(calls) == 1 and isinstance(calls[0], dict) else {"anyOf": calls}
    return {**schema, "$defs": definitions}


def _call(tool: Tool) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": {"$ref": f"#/$defs/{tool.name}"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(schema: object, name: str) -> object:
    if isinstance(schema, dict):
        return {
            key: _moved_reference(value, name) if key == "$ref" else _moved(value, name)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_moved(item, name) for item in schema]
    return schema


def _moved_reference(reference: object, name: str) -> object:
    if isinstance(reference, str) and reference.startswith("#"):
        return f"#/$defs/{name}{reference[1:]}"
    return _moved(reference, name)  # a property that has this name
