"""`/v1/responses/{id}`: responses that a client comes back to."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from rag.api.access import CallerDep, requires
from rag.api.paging import PagingDep
from rag.api.responses.items import without_results
from rag.api.schemas.responses import RESULTS, Include
from rag.api.schemas.support import ACCEPTED, REFUSED
from rag.api.state import RoomsDep
from rag.api.wire import Json, deleted_json
from rag.auth import Caller, Scope
from rag.errors import InvalidRequest, NotFound
from rag.rooms import Rooms
from rag.store import StoredResponse

router = APIRouter(prefix="/v1/responses/{response_id}", tags=["responses"], dependencies=[requires(Scope.CHAT)])

# The official clients write a list in a query with brackets.
_Includes = Annotated[
    list[Include], Query(alias="include[]", description="file_search_call.results; of the others there is nothing.")
]


@router.get("")
async def retrieve_response(
    response_id: str,
    rooms: RoomsDep,
    caller: CallerDep,
    include: _Includes = [],  # noqa: B006 - FastAPI copies it
    stream: Annotated[  # noqa: FBT002 - a field of the query
        bool, Query(description="Events are not kept.", json_schema_extra={**REFUSED, "harmless": [False]})
    ] = False,
    starting_after: Annotated[int | None, Query(description="Events are not kept.", json_schema_extra=REFUSED)] = None,
    include_obfuscation: Annotated[
        bool | None, Query(description="Nothing is padded.", json_schema_extra=ACCEPTED)
    ] = None,
) -> Json:
    """The response as it was given."""
    del include_obfuscation
    if stream or starting_after is not None:
        name = "stream" if stream else "starting_after"
        raise InvalidRequest(
            f"{name} is not supported here: events are not kept. Leave it out to get the whole response.",
            param=name,
            code="unsupported_value",
        )
    return _shown(await _find(response_id, caller, rooms), include)


@router.delete("")
async def delete_response(response_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """That the response is gone. What continued it cannot be continued further."""
    if not await rooms.blocking(rooms.responses.delete, response_id, caller.group):
        raise _unknown(response_id)
    return deleted_json(response_id, "response")


@router.post("/cancel")
async def cancel_response(response_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """Never an answer: only background responses can be cancelled, and there are none."""
    await _find(response_id, caller, rooms)
    raise InvalidRequest(
        f"The response {response_id!r} was not made in the background, so it cannot be cancelled. Close its connection "
        "while it is streamed instead.",
        param="response_id",
    )


@router.get("/input_items")
async def list_input_items(
    response_id: str,
    rooms: RoomsDep,
    caller: CallerDep,
    paging: PagingDep,
    include: _Includes = [],  # noqa: B006 - FastAPI copies it
) -> Json:
    """The items that a response was made from, those of the conversation that it continues included."""
    response = await _find(response_id, caller, rooms)
    items = [*await _earlier(response, rooms), *response.input]
    wire = dict if RESULTS in include else without_results
    return paging.page(items, lambda item: str(item["id"]), wire)


async def _find(response_id: str, caller: Caller, rooms: Rooms) -> StoredResponse:
    found = await rooms.blocking(rooms.responses.get, response_id, caller.group)
    if found is None:
        raise _unknown(response_id)
    return found


async def _earlier(response: StoredResponse, rooms: Rooms) -> list[Json]:
    """The items of the conversation that it continues, as far as they are still there."""
    if response.previous is None:
        return []
    turns = await rooms.blocking(rooms.responses.conversation, response.previous, response.group)
    return [item for turn in turns or () for item in (*turn.input, *turn.output)]


def _shown(response: StoredResponse, include: Sequence[str]) -> Json:
    output = [item if RESULTS in include else without_results(item) for item in response.output]
    return {**response.body, "output": output}


def _unknown(response_id: str) -> NotFound:
    return NotFound(
        f"There is no response {response_id!r}: it was deleted, has expired, or was made with store = false.",
        param="response_id",
        code="response_not_found",
    )
