"""The conversation that a request continues, put together from what is stored and what was sent."""

from collections.abc import Sequence

from rag.api.responses.items import check_calls, input_items, messages_of
from rag.api.schemas.input_tokens import InputTokensRequest
from rag.api.schemas.responses import ResponseRequest
from rag.api.wire import Json
from rag.auth import Caller
from rag.errors import InvalidRequest, NotFound
from rag.rooms import Rooms
from rag.types import Message


async def conversation(
    body: ResponseRequest | InputTokensRequest, caller: Caller, rooms: Rooms
) -> tuple[tuple[Message, ...], tuple[Json, ...]]:
    """All messages that the model sees, and the items that this request adds, references resolved.

    Raises:
        InvalidRequest: the response to continue had failed.
        NotFound: an item or earlier response that does not exist for the caller.
    """
    history = await _history(body.previous_response_id, caller, rooms)
    items = await _resolved(input_items(body.input), caller, rooms)
    check_calls([*history, *items], len(history))
    instructions = (Message("system", body.instructions),) if body.instructions else ()  # of this request alone
    return (*instructions, *messages_of([*history, *items])), tuple(items)


async def _history(previous: str | None, caller: Caller, rooms: Rooms) -> list[Json]:
    """Every item of the conversation that a request continues, as it stood."""
    if previous is None:
        return []
    turns = await rooms.blocking(rooms.responses.conversation, previous, caller.group)
    if turns is None:
        raise NotFound(
            f"There is no response {previous!r} to continue: it, or one before it, was deleted, has expired, or was "
            "made with store = false. Send the conversation as input.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    if turns[-1].body["status"] == "failed":
        raise InvalidRequest(
            f"The response {previous!r} failed, so nothing can follow it. Continue the one before it.",
            param="previous_response_id",
        )
    return [item for turn in turns for item in (*turn.input, *turn.output)]


async def _resolved(items: Sequence[Json], caller: Caller, rooms: Rooms) -> list[Json]:
    """The items, with the stored one in the place of each reference."""
    whole: list[Json] = []
    for index, item in enumerate(items):
        found: Json | None = item
        if item["type"] == "item_reference":
            found = await rooms.blocking(rooms.responses.item, str(item["id"]), caller.group)
        if found is None:
            raise NotFound(
                f"There is no stored item {item['id']!r}. Send the item itself.",
                param=f"input[{index}].id",
                code="item_not_found",
            )
        whole.append(found)
    return whole
