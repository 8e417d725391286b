"""`/v1/files`: uploaded files, and the documents of `rag ingest` by their ids."""

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response

from rag.api.access import CallerDep, requires, visible_collections
from rag.api.body import JsonRoute
from rag.api.multipart import FormReader
from rag.api.paging import After, Order, Paging
from rag.api.schemas.files import FileForm, file_json, parse_form, upload_schema
from rag.api.schemas.support import missing
from rag.api.state import RoomsDep
from rag.api.wire import Json, deleted_json
from rag.auth import Caller, Scope
from rag.errors import InvalidRequest, NotFound, TooLarge
from rag.library import created_at
from rag.rooms import Rooms
from rag.store import CollectionInfo, Incoming, Listed, StoredFile

reading = APIRouter(
    prefix="/v1/files", tags=["files"], dependencies=[requires(Scope.CHAT, Scope.INGEST)], route_class=JsonRoute
)
changing = APIRouter(prefix="/v1/files", tags=["files"], dependencies=[requires(Scope.INGEST)], route_class=JsonRoute)

_FORM = {"multipart/form-data": {"schema": upload_schema()}}
_BODY = {"requestBody": {"required": True, "content": _FORM}}


@changing.post("", openapi_extra=_BODY)
async def upload_file(request: Request, rooms: RoomsDep, caller: CallerDep) -> Json:
    """The uploaded file. It goes to the disk as it comes."""
    with ExitStack() as stack:
        form, incoming = await _receive(request, rooms, stack)
        now, expires_after_s = rooms.library.now(), form.expires_after_s
        stored = await rooms.blocking(
            rooms.library.shelf.files.add,
            incoming,
            group=caller.group,
            purpose=form.purpose,
            now=now,
            expires_at=None if expires_after_s is None else now + expires_after_s,
        )
        return file_json(stored)


@reading.get("")
async def list_files(
    rooms: RoomsDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Files in a page.")] = 10_000,
    order: Order = "desc",
    after: After = None,
    purpose: Annotated[str | None, Query(description="Only files that were uploaded for it.")] = None,
) -> Json:
    """The uploaded files of the caller's group."""
    files = await rooms.blocking(rooms.library.shelf.files.files)
    found = [each for each in files if _is_there(each, caller, rooms) and (purpose is None or each.purpose == purpose)]
    return Paging(limit=limit, order=order, after=after).page(found, lambda each: each.id, file_json)


@reading.get("/{file_id}")
async def retrieve_file(file_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """One file: an uploaded one, or a document that `rag ingest` put in."""
    stored = await _stored(file_id, caller, rooms)
    if stored:
        return file_json(stored)
    info, listed, _ = await _document(file_id, caller, rooms)
    return file_json(
        StoredFile(
            n=0,
            id=listed.file_id,
            group=info.group,
            bytes=listed.size,
            created_at=created_at(info),
            filename=listed.name,
            purpose="assistants",
            expires_at=None,
        )
    )


@reading.get("/{file_id}/content")
async def file_content(file_id: str, rooms: RoomsDep, caller: CallerDep) -> Response:
    """The bytes of an uploaded file; of a document that `rag ingest` put in, the text that was extracted."""
    stored = await _stored(file_id, caller, rooms)
    if stored:
        path = rooms.library.shelf.files.path(stored)
        return FileResponse(path, media_type="application/octet-stream", filename=stored.filename)
    _, _, text = await _document(file_id, caller, rooms)
    return PlainTextResponse(text)


@changing.delete("/{file_id}")
async def delete_file(file_id: str, rooms: RoomsDep, caller: CallerDep) -> Json:
    """That the file is gone; it leaves every vector store, too."""
    stored = await _stored(file_id, caller, rooms)
    if stored is None:
        await _document(file_id, caller, rooms)
        raise InvalidRequest(
            f"{file_id!r} was not uploaded: `rag ingest` put it in. Remove it from its vector store instead.",
            param="file_id",
        )
    await rooms.blocking(rooms.library.delete_file, stored)
    rooms.indexing.wake()
    return deleted_json(file_id, "file")


async def find_upload(file_id: str, caller: Caller, rooms: Rooms) -> StoredFile:
    """The uploaded file of this id.

    Raises:
        NotFound: there is none, or none for this caller; nothing tells which.
    """
    stored = await _stored(file_id, caller, rooms)
    if stored is None:
        raise _no_file(file_id)
    return stored


async def _receive(request: Request, rooms: Rooms, stack: ExitStack) -> tuple[FileForm, Incoming]:
    """The form and its file, which goes with `stack` unless it is kept."""
    reader = FormReader(request)
    limit = rooms.settings.server.max_upload_bytes
    arrived: list[Incoming] = []

    async def write(data: bytes) -> None:
        if not arrived:
            incoming = rooms.library.shelf.files.incoming(reader.filename or "file")
            arrived.append(await rooms.blocking(stack.enter_context, incoming))
        if arrived[0].n_bytes + len(data) > limit:
            raise TooLarge(
                f"The file has more than {limit} bytes, the limit. Upload a smaller one, or raise "
                "server.max_upload_bytes.",
                param="file",
            )
        await rooms.blocking(arrived[0].write, data)

    fields = await reader.read(write)
    if reader.filename is None:
        raise missing("file")
    if not arrived:  # an empty file
        await write(b"")
    return parse_form(fields), arrived[0]


async def _stored(file_id: str, caller: Caller, rooms: Rooms) -> StoredFile | None:
    stored = await rooms.blocking(rooms.library.shelf.files.get, file_id)
    return stored if stored and _is_there(stored, caller, rooms) else None


def _is_there(stored: StoredFile, caller: Caller, rooms: Rooms) -> bool:
    is_expired = stored.expires_at is not None and stored.expires_at <= rooms.library.now()
    return not is_expired and (caller.key_id is None or stored.group == caller.group)


async def _document(file_id: str, caller: Caller, rooms: Rooms) -> tuple[CollectionInfo, Listed, str]:
    infos = await visible_collections(caller, rooms)
    found = await rooms.blocking(rooms.library.document, infos, file_id)
    if found is None:
        raise _no_file(file_id)
    return found


def _no_file(file_id: str) -> NotFound:
    return NotFound(f"No such File object: {file_id!r}. GET /v1/files lists what there is.", param="file_id")
