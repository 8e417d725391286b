"""How an engine is to pick tokens for an ask: within the window, and so that calls can be read."""

from dataclasses import replace

from rag.ask import Ask
from rag.compose import answer_tokens
from rag.errors import InvalidRequest
from rag.rooms import Rooms
from rag.tools import STYLES, calls_schema
from rag.types import Sampling


def sampling_of(ask: Ask, rooms: Rooms) -> Sampling:
    """How the engine is to pick tokens: as asked for, within the window, and with what tools need.

    Raises:
        InvalidRequest: the model may call tools as it likes, and it is not known how it writes calls.
    """
    sampling = replace(ask.sampling, max_tokens=answer_tokens(ask, rooms))
    choice, parser = ask.tool_choice, rooms.settings.engine.tool_parser
    if not ask.tools:
        return sampling
    if choice.mode == "required" or (choice.mode == "auto" and ask.sampling.response_format):
        tools = [tool for tool in ask.tools if choice.names is None or tool.name in choice.names]
        answer = None if choice.mode == "required" else _answer_schema(ask.sampling.response_format)
        schema = {"name": "calls", "schema": calls_schema(tools, parallel=choice.parallel, answer=answer)}
        return replace(sampling, response_format={"type": "json_schema", "json_schema": schema})
    if parser is None and choice.mode == "auto":
        raise InvalidRequest(
            "tools with tool_choice = 'auto' need to know how the served model writes calls, and it is not configured. "
            "Set engine.tool_parser to 'hermes' (Qwen, Hermes and others) or 'llama3_json', or send tool_choice = "
            "'required' or the name of a function.",
            param="tools",
            code="unsupported_value",
        )
    if choice.mode == "none":
        return replace(sampling, bad_words=STYLES[parser].banned if parser else ())
    return replace(sampling, special_tokens=True)


def _answer_schema(response_format: dict[str, object] | None) -> dict[str, object]:
    """The schema of an answer that is JSON."""
    shape = (response_format or {}).get("json_schema")
    schema = shape.get("schema") if isinstance(shape, dict) else None
    return schema if isinstance(schema, dict) else {"type": "object"}
