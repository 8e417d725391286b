"""`/v1/vector_stores/{id}/file_batches`: many files attached by one call."""

from fastapi import APIRouter, Response

from rag.api.access import CallerDep, find_collection, find_own_collection, requires
from rag.api.body import JsonRoute
from rag.api.paging import PagingDep
from rag.api.schemas.vector_stores import CreateBatch
from rag.api.state import RoomsDep
from rag.api.vector_stores.files import Wanted, page_of, poll_again
from rag.api.vector_stores.routes import attachments
from rag.api.vector_stores.wire import batch_json
from rag.api.wire import Json
from rag.auth import Caller, Scope
from rag.errors import NotFound
from rag.rooms import Rooms
from rag.store import Batch, CollectionInfo, FileStatus

reading = APIRouter(
    prefix="/v1/vector_stores/{store_id}/file_batches",
    tags=["vector stores"],
    dependencies=[requires(Scope.CHAT, Scope.INGEST)],
    route_class=JsonRoute,
)
changing = APIRouter(
    prefix="/v1/vector_stores/{store_id}/file_batches",
    tags=["vector stores"],
    dependencies=[requires(Scope.INGEST)],
    route_class=JsonRoute,
)


@changing.post("")
async def create_file_batch(
    store_id: str, body: CreateBatch, response: Response, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """The batch; its files are indexed in the background."""
    info = await find_own_collection(store_id, caller, rooms)
    files = await attachments(body.each(), caller, rooms)
    await rooms.blocking(rooms.library.attach, info, files)
    file_ids = [each.file_id for each in files]
    batch = await rooms.blocking(rooms.library.shelf.batches.add, info.id, file_ids, now=rooms.library.now())
    rooms.indexing.wake()
    return await _answer(batch, response, rooms)


@reading.get("/{batch_id}")
async def retrieve_file_batch(
    store_id: str, batch_id: str, response: Response, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """How far the batch is."""
    _, batch = await _find(store_id, batch_id, caller, rooms)
    return await _answer(batch, response, rooms)


@changing.post("/{batch_id}/cancel")
async def cancel_file_batch(
    store_id: str, batch_id: str, response: Response, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """The batch, of which nothing more is indexed. What is indexed already stays."""
    info = await find_own_collection(store_id, caller, rooms)
    _, batch = await _find(info.id, batch_id, caller, rooms)
    await rooms.blocking(rooms.library.shelf.batches.cancel, batch)
    _, batch = await _find(info.id, batch_id, caller, rooms)
    return await _answer(batch, response, rooms)


@reading.get("/{batch_id}/files")
async def list_file_batch_files(
    store_id: str, batch_id: str, paging: PagingDep, rooms: RoomsDep, caller: CallerDep, wanted: Wanted = None
) -> Json:
    """The files of the batch."""
    info, batch = await _find(store_id, batch_id, caller, rooms)
    inside = {each.file_id for each in await rooms.blocking(rooms.library.shelf.batches.files, batch)}
    members = await rooms.blocking(rooms.library.members, info)
    return page_of(paging, [member for member in members if member.file_id in inside], info.id, wanted)


async def _find(store_id: str, batch_id: str, caller: Caller, rooms: Rooms) -> tuple[CollectionInfo, Batch]:
    info = await find_collection(store_id, caller, rooms)
    batch = await rooms.blocking(rooms.library.shelf.batches.get, info.id, batch_id)
    if batch is None:
        raise NotFound(
            f"No file batch {batch_id!r} found in vector store {info.id!r}. The answer that made it has its id.",
            param="batch_id",
        )
    return info, batch


async def _answer(batch: Batch, response: Response, rooms: Rooms) -> Json:
    files = await rooms.blocking(rooms.library.shelf.batches.files, batch)
    statuses = [each.status for each in files]
    poll_again(response, is_working=FileStatus.IN_PROGRESS in statuses)
    return batch_json(batch, statuses)
