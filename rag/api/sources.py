"""`GET /v1/sources/{chunk_id}`: the passage behind a citation."""

import html

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from rag.api.access import CallerDep, requires, visible_collections
from rag.api.state import RoomsDep
from rag.auth import Caller, Scope
from rag.errors import NotFound
from rag.rooms import Rooms
from rag.store import CollectionInfo
from rag.types import Chunk, ChunkId

router = APIRouter(prefix="/v1/sources", tags=["sources"], dependencies=[requires(Scope.CHAT)])

_CONTEXT_CHARS = 600
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;
margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
pre{{white-space:pre-wrap;font:inherit}}mark{{background:#ffe9a8}}small{{color:#666}}</style>
<h1>{title}</h1><p><small>{document} · {collection}</small></p>
<pre>{before}<mark>{text}</mark>{after}</pre>
<p><a href="{id}/document">Whole document</a></p></html>"""


@router.get("/{chunk_id}")
async def source(chunk_id: str, request: Request, rooms: RoomsDep, caller: CallerDep) -> Response:
    """The passage with what stands around it: a page for a browser, JSON for a program."""
    collection, chunk, text = await _find(chunk_id, caller, rooms)
    before = text[max(0, chunk.start - _CONTEXT_CHARS) : chunk.start]
    after = text[chunk.end : chunk.end + _CONTEXT_CHARS]
    if "text/html" in request.headers.get("accept", ""):
        words = {"title": chunk.title, "document": chunk.document, "collection": collection, "before": before}
        words |= {"text": chunk.text, "after": after, "id": chunk.id}
        page = _PAGE.format(**{name: html.escape(word) for name, word in words.items()})
        return HTMLResponse(page, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})
    return JSONResponse(
        {
            "chunk_id": chunk.id,
            "collection": collection,
            "document": chunk.document,
            "title": chunk.title,
            "anchor": chunk.anchor.as_dict(),
            "source_start": chunk.start,
            "source_end": chunk.end,
            "text": chunk.text,
            "before": before,
            "after": after,
        }
    )


@router.get("/{chunk_id}/document")
async def document(chunk_id: str, rooms: RoomsDep, caller: CallerDep) -> PlainTextResponse:
    """The whole extracted text of the document that the passage is of."""
    _, _, text = await _find(chunk_id, caller, rooms)
    return PlainTextResponse(text, headers={"x-content-type-options": "nosniff"})


async def _find(chunk_id: str, caller: Caller, rooms: Rooms) -> tuple[str, Chunk, str]:
    infos = await visible_collections(caller, rooms)
    return await rooms.blocking(_look_up, chunk_id, infos, rooms)


def _look_up(chunk_id: str, infos: tuple[CollectionInfo, ...], rooms: Rooms) -> tuple[str, Chunk, str]:
    found = rooms.store.find_chunk(ChunkId(chunk_id), infos)
    if found is None:
        raise NotFound(
            f"The source {chunk_id!r} does not exist. Its document may have changed since the answer was given.",
            param="chunk_id",
        )
    info, chunk = found
    with rooms.store.pin(info.id) as generation:
        return info.name, chunk, generation.document_text(chunk)
