"""`/v1/vector_stores`: collections as OpenAI's vector stores."""

from fastapi import APIRouter

from rag.api.access import CallerDep, find_collection, find_own_collection, requires, visible_collections
from rag.api.body import JsonRoute
from rag.api.files import find_upload
from rag.api.paging import PagingDep
from rag.api.schemas.vector_stores import AttachFile, CreateStore, ModifyStore
from rag.api.state import RoomsDep
from rag.api.vector_stores.wire import store_json
from rag.api.wire import Json, deleted_json
from rag.auth import Caller, Scope
from rag.errors import InvalidRequest
from rag.library import StoreView, created_at
from rag.rooms import Rooms
from rag.store import NewAttachment

reading = APIRouter(
    prefix="/v1/vector_stores",
    tags=["vector stores"],
    dependencies=[requires(Scope.CHAT, Scope.INGEST)],
    route_class=JsonRoute,
)
changing = APIRouter(
    prefix="/v1/vector_stores", tags=["vector stores"], dependencies=[requires(Scope.INGEST)], route_class=JsonRoute
)


@changing.post("")
async def create_vector_store(body: CreateStore, rooms: RoomsDep, caller: CallerDep) -> Json:
    """A new vector store; its files are indexed in the background."""
    if not caller.may_see("", body.name or "", caller.group):
        raise InvalidRequest(
            f"This key reads named collections only, and {body.name!r} is none of them. Use one of their names, "
            "or a key without --collections.",
            param="name",
        )
    strategy = body.chunking_strategy
    files = await attachments(
        [AttachFile(file_id=file_id, chunking_strategy=strategy) for file_id in body.file_ids], caller, rooms
    )
    info = await rooms.blocking(
        rooms.library.create,
        body.name,
        caller.group,
        rooms.batcher.encoder.info,
        description=body.description,
        metadata=body.metadata,
        expires_after_days=body.expires_after.days if body.expires_after else None,
    )
    if files:
        await rooms.blocking(rooms.library.attach, info, files)
        rooms.indexing.wake()
    return store_json(await rooms.blocking(rooms.library.view, info))


@reading.get("")
async def list_vector_stores(paging: PagingDep, rooms: RoomsDep, caller: CallerDep) -> Json:
    """Every collection that the caller may see."""
    infos = sorted(await visible_collections(caller, rooms), key=lambda info: (created_at(info), info.id))

    def page() -> Json:
        return paging.page(infos, lambda info: info.id, lambda info: store_json(rooms.library.view(info)))

    return await rooms.blocking(page)


@reading.get("/{store_id}")
async def retrieve_vector_store(store_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """One vector store."""
    return store_json(await _view(store_id, caller, rooms))


@changing.post("/{store_id}")
async def modify_vector_store(store_id: str, body: ModifyStore, rooms: RoomsDep, caller: CallerDep) -> Json:
    """The vector store as it is from now on."""
    info = await find_own_collection(store_id, caller, rooms)
    given = body.model_fields_set

    def modify() -> None:
        if "name" in given:
            rooms.library.rename(info, body.name)
        facts = rooms.library.shelf.facts
        facts.set(
            info.id,
            now=rooms.library.now(),
            metadata=(body.metadata or {}) if "metadata" in given else None,
            expires_after_days=body.expires_after.days if body.expires_after else None,
        )
        if "expires_after" in given and body.expires_after is None:
            facts.never_expires(info.id)

    await rooms.blocking(modify)
    return store_json(await _view(info.id, caller, rooms))


@changing.delete("/{store_id}")
async def delete_vector_store(store_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """That the vector store is gone. Its files stay."""
    info = await find_own_collection(store_id, caller, rooms)
    await rooms.blocking(rooms.library.delete, info)
    return deleted_json(info.id, "vector_store.deleted")


async def attachments(files: list[AttachFile], caller: Caller, rooms: Rooms) -> list[NewAttachment]:
    """The files as they are to be attached, each once.

    Raises:
        NotFound: one does not exist for the caller.
    """
    found = {}
    for each in files:
        stored = await find_upload(each.file_id, caller, rooms)
        wanted = each.chunking_strategy.cut() if each.chunking_strategy else None
        found[stored.id] = NewAttachment(file_id=stored.id, attributes=each.attributes, cut=rooms.indexing.cut(wanted))
    return list(found.values())


async def _view(store_id: str, caller: Caller, rooms: Rooms) -> StoreView:
    info = await find_collection(store_id, caller, rooms)
    return await rooms.blocking(rooms.library.view, info)
