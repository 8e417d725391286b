"""`/v1/rag/collections/{collection}/documents`: what stands in a collection, as a person looks at it.

Beside OpenAI's list of a vector store's files: names, chunks with their places, and causes, in one answer. Uploading,
attaching, searching and deleting are OpenAI's own routes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from rag.api.access import CallerDep, find_collection, requires
from rag.api.paging import PagingDep
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.library import Member
from rag.rooms import Rooms
from rag.store import CollectionInfo, StoredFile
from rag.types import Chunk

router = APIRouter(
    prefix="/v1/rag/collections/{collection}/documents",
    tags=["documents"],
    dependencies=[requires(Scope.CHAT, Scope.INGEST)],
)


@dataclass(frozen=True, slots=True)
class _Named:
    """A file of a collection as it is shown."""

    member: Member
    path: str
    n_bytes: int | None  # None: it is gone, or was never read


@router.get("")
async def list_documents(
    collection: str,
    paging: PagingDep,
    rooms: RoomsDep,
    caller: CallerDep,
    name: Annotated[str | None, Query(description="Only documents whose path has this in it.")] = None,
) -> Json:
    """The documents of a collection, those that are being indexed and those that could not be read as well."""
    info = await find_collection(collection, caller, rooms)

    def page() -> Json:
        wanted = "" if name is None else name.casefold()
        found = [each for each in _named(rooms.library.entries(info), rooms) if wanted in each.path.casefold()]
        return {"total": len(found), **paging.page(found, lambda each: each.member.file_id, _document)}

    return await rooms.blocking(page)


@router.get("/{file_id}")
async def retrieve_document(
    collection: str,
    file_id: str,
    rooms: RoomsDep,
    caller: CallerDep,
    first: Annotated[int, Query(ge=0, description="Number of the first chunk that is listed, from 0.")] = 0,
    limit: Annotated[int, Query(ge=0, le=100, description="Chunks that are listed.")] = 20,
) -> Json:
    """One document with its chunks, each with its text and place, and in how many collections its file stands."""
    info = await find_collection(collection, caller, rooms)
    return await rooms.blocking(_with_chunks, info, file_id, first, limit, rooms)


def _with_chunks(info: CollectionInfo, file_id: str, first: int, limit: int, rooms: Rooms) -> Json:
    """Blocks."""
    (named,) = _named([rooms.library.entry(info, file_id)], rooms)
    member = named.member
    chunks: tuple[Chunk, ...] = ()
    with rooms.store.pin(info.id) as generation:
        listed = generation.files().get(member.file_id)
        if listed:
            chunks = generation.chunks(listed.seqs[first : first + limit])
    return {
        **_document(named),
        "collections": len(rooms.library.shelf.attachments.stores_of(member.file_id)) if member.cut else 1,
        "data": [_chunk(number, chunk) for number, chunk in enumerate(chunks, start=first)],
    }


def _named(members: Sequence[Member], rooms: Rooms) -> list[_Named]:
    """Each with its path, or as long as it is not in the index with the name that it was uploaded by. Blocks."""
    if all(member.document or member.failure for member in members):
        uploads = {}
    else:
        uploads = {stored.id: stored for stored in rooms.library.shelf.files.files()}
    return [_name(member, uploads.get(member.file_id)) for member in members]


def _name(member: Member, stored: StoredFile | None) -> _Named:
    if member.document:
        return _Named(member, member.document.path, member.document.size)
    if member.failure:
        return _Named(member, member.failure.path, None)
    return _Named(member, stored.filename if stored else member.file_id, stored.bytes if stored else None)


def _document(named: _Named) -> Json:
    member = named.member
    listed, error = member.document, member.error
    return {
        "id": member.file_id,
        "object": "rag.document",
        "document": named.path,
        "status": member.status.value,
        "last_error": None if error is None else {"code": error.code, "message": error.message},
        "failing_since": member.failure.since if member.failure else None,
        "created_at": member.created_at,
        "bytes": named.n_bytes,
        "chunks": len(listed.seqs) if listed else 0,
        "uploaded": member.cut is not None,
        "attributes": dict(member.attributes or {}),
    }


def _chunk(number: int, chunk: Chunk) -> Json:
    return {
        "chunk_id": chunk.id,
        "number": number,
        "anchor": chunk.anchor.as_dict(),
        "source_start": chunk.start,
        "source_end": chunk.end,
        "text": chunk.text,
    }
