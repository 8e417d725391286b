"""`/v1/vector_stores/{id}/files`: what stands in a vector store."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from rag.api.access import CallerDep, find_collection, find_own_collection, requires
from rag.api.body import JsonRoute
from rag.api.paging import PagingDep
from rag.api.schemas.vector_stores import AttachFile, UpdateFile
from rag.api.state import RoomsDep
from rag.api.vector_stores.routes import attachments
from rag.api.vector_stores.wire import member_json
from rag.api.wire import Json, deleted_json
from rag.auth import Scope
from rag.library import Member
from rag.rooms import Rooms
from rag.store import FileStatus
from rag.types import CollectionId

reading = APIRouter(
    prefix="/v1/vector_stores/{store_id}/files",
    tags=["vector stores"],
    dependencies=[requires(Scope.CHAT, Scope.INGEST)],
    route_class=JsonRoute,
)
changing = APIRouter(
    prefix="/v1/vector_stores/{store_id}/files",
    tags=["vector stores"],
    dependencies=[requires(Scope.INGEST)],
    route_class=JsonRoute,
)

_LEAVE_S = 10.0  # that a caller waits for a detached file's chunks to be gone
_LOOK_S = 0.05
_POLL_MS = "500"

Wanted = Annotated[
    Literal["in_progress", "completed", "failed", "cancelled"] | None,
    Query(alias="filter", description="Only files that are so far."),
]


@changing.post("")
async def attach_file(store_id: str, body: AttachFile, response: Response, rooms: RoomsDep, caller: CallerDep) -> Json:
    """The file in the vector store; it is indexed in the background."""
    info = await find_own_collection(store_id, caller, rooms)
    files = await attachments([body], caller, rooms)
    await rooms.blocking(rooms.library.attach, info, files)
    rooms.indexing.wake()
    return _answer(response, await rooms.blocking(rooms.library.member, info, body.file_id), info.id)


@reading.get("")
async def list_vector_store_files(
    store_id: str, paging: PagingDep, rooms: RoomsDep, caller: CallerDep, wanted: Wanted = None
) -> Json:
    """The files of the vector store, whether the API or `rag ingest` put them in."""
    info = await find_collection(store_id, caller, rooms)
    members = await rooms.blocking(rooms.library.members, info)
    return page_of(paging, members, info.id, wanted)


@reading.get("/{file_id}")
async def retrieve_vector_store_file(
    store_id: str, file_id: str, response: Response, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """One file of the vector store."""
    info = await find_collection(store_id, caller, rooms)
    return _answer(response, await rooms.blocking(rooms.library.member, info, file_id), info.id)


@reading.get("/{file_id}/content")
async def vector_store_file_content(store_id: str, file_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """The text that was extracted of a file."""
    info = await find_collection(store_id, caller, rooms)
    text = await rooms.blocking(rooms.library.text, info, file_id)
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text}] if text else [],
        "has_more": False,
        "next_page": None,
    }


@changing.post("/{file_id}")
async def update_vector_store_file(
    store_id: str, file_id: str, body: UpdateFile, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """The file with its new attributes."""
    info = await find_own_collection(store_id, caller, rooms)
    member = await rooms.blocking(rooms.library.set_attributes, info, file_id, body.attributes)
    return member_json(member, info.id)


@changing.delete("/{file_id}")
async def detach_file(store_id: str, file_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """That the file has left the vector store. The file itself stays."""
    info = await find_own_collection(store_id, caller, rooms)
    await rooms.blocking(rooms.library.detach, info, file_id)
    rooms.indexing.wake()
    await _until_gone(info.id, file_id, rooms)
    return deleted_json(file_id, "vector_store.file.deleted")


def page_of(paging: PagingDep, members: list[Member], store_id: str, wanted: str | None) -> Json:
    """A page of the members with the status that is wanted."""
    found = [member for member in members if wanted is None or member.status.value == wanted]
    return paging.page(found, lambda member: member.file_id, lambda member: member_json(member, store_id))


def poll_again(response: Response, *, is_working: bool) -> None:
    """Nothing; the SDK's polling helpers come again when it makes sense."""
    if is_working:
        response.headers["openai-poll-after-ms"] = _POLL_MS


def _answer(response: Response, member: Member, store_id: str) -> Json:
    poll_again(response, is_working=member.status is FileStatus.IN_PROGRESS)
    return member_json(member, store_id)


async def _until_gone(store: CollectionId, file_id: str, rooms: Rooms) -> None:
    """Nothing; the next generation is out, or its writer takes long: searches leave the file out in any case."""
    for _ in range(round(_LEAVE_S / _LOOK_S)):
        if not await rooms.blocking(rooms.library.is_leaving, store, file_id):
            return
        await asyncio.sleep(_LOOK_S)
