"""Items of a conversation: as they are stored and listed, and as the messages that a model sees."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from rag.api.responses.wire import call_json
from rag.api.schemas.response_input import Input, InputItem
from rag.api.wire import Json
from rag.errors import InvalidRequest
from rag.types import Message, Role, ToolCall


def new_id(prefix: str) -> str:
    """A new id that no one can guess."""
    return f"{prefix}_{secrets.token_hex(24)}"


def input_items(body: Input | None) -> list[Json]:
    """What a client sent, each item whole and with an id. References are left as they are."""
    if body is None:
        return []
    if isinstance(body, str):
        return [_message(new_id("msg"), "user", body)]
    return [_item(item) for item in body]


def messages_of(items: Iterable[Json]) -> tuple[Message, ...]:
    """The messages in `items`. The same items give the same messages, now and when they come back from the store."""
    messages: list[Message] = []
    for item in items:
        match item["type"]:
            case "message":
                text = "".join(str(part["text"]) for part in cast("Sequence[Json]", item["content"]))
                messages.append(Message(_role(item), text))
            case "function_call":
                call = ToolCall(id=str(item["call_id"]), name=str(item["name"]), arguments=str(item["arguments"]))
                if not messages or messages[-1].role != "assistant":
                    messages.append(Message("assistant", ""))
                # What is said with a call, and calls beside each other, are one message of the model.
                messages[-1] = replace(messages[-1], calls=(*messages[-1].calls, call))
            case "function_call_output":
                messages.append(Message("tool", str(item["output"])))
    return tuple(messages)


def check_calls(items: Sequence[Json], n_earlier: int) -> None:
    """Hold results of functions against the calls that wait for them. n_earlier: items that were stored.

    Raises:
        InvalidRequest: a result without its call, or a call without its result.
    """
    waiting: dict[object, None] = {}
    for index, item in enumerate(items):
        if item["type"] == "function_call":
            waiting[item["call_id"]] = None
        elif item["type"] == "function_call_output":
            if item["call_id"] not in waiting:
                param = f"input[{max(index - n_earlier, 0)}].call_id"
                raise InvalidRequest(
                    f"{param} = {item['call_id']!r} is no call of the conversation that waits for its result. Send the "
                    "function_call item before it, or the previous_response_id that it came with.",
                    param=param,
                    code="invalid_value",
                )
            del waiting[item["call_id"]]
        elif item["type"] == "message" and item["role"] == "user" and waiting:
            break
    if waiting:
        raise InvalidRequest(
            f"The calls {list(waiting)!r} have no results. Send a function_call_output item for each.",
            param="input",
            code="invalid_value",
        )


def without_results(item: Json) -> Json:
    """The item as it is shown to a client that did not ask for what a search found."""
    return {**item, "results": None} if item["type"] == "file_search_call" else item


def _item(item: InputItem) -> Json:
    if item.type == "item_reference":
        return {"type": "item_reference", "id": item.id}
    if item.type == "function_call":
        text = {"call_id": item.call_id or "", "name": item.name or "", "arguments": item.arguments or ""}
        return call_json(item.id or new_id("fc"), "completed", **text)
    if item.type == "function_call_output":
        output = {"call_id": item.call_id, "output": item.result()}
        return {"id": item.id or new_id("fc"), "type": item.type, "status": "completed", **output}
    if item.type == "file_search_call":
        return {"id": item.id, "type": item.type, "status": "completed", "queries": item.queries, "results": None}
    return _message(item.id or new_id("msg"), item.role or "user", item.said())


def _message(item_id: str, role: str, text: str) -> Json:
    part: Json = {"type": "input_text", "text": text}
    if role == "assistant":
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "status": "completed", "role": role, "content": [part]}


def _role(item: Json) -> Role:
    return "system" if item["role"] == "developer" else cast("Role", item["role"])
