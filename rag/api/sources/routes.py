"""`GET /v1/sources/{chunk_id}`: the document behind a citation, with the quote in its place."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from rag.api.access import CallerDep, requires, visible_collections
from rag.api.html import PRIVATE, wants_page
from rag.api.sources.link import ROUTE, Link, read_link
from rag.api.sources.picture import Picture, picture_of
from rag.api.sources.place import Source, find_source
from rag.api.sources.view import source_page
from rag.api.state import RoomsDep, StateDep
from rag.auth import Scope
from rag.cite import Place
from rag.errors import InvalidRequest, NotFound, Overloaded

router = APIRouter(prefix=ROUTE.rstrip("/"), tags=["sources"], dependencies=[requires(Scope.CHAT)])

_CONTEXT_CHARS = 600


def get_link(chunk_id: str, request: Request) -> Link:
    """What the link names. Its parameters are its own business: links stand in answers, nobody needs to make one."""
    return read_link(chunk_id, request.query_params)


LinkDep = Annotated[Link, Depends(get_link)]


async def get_source(link: LinkDep, rooms: RoomsDep, state: StateDep, caller: CallerDep) -> Source:
    """The document that the link names, if the caller may read it."""
    infos = await visible_collections(caller, rooms)
    if caller.document is not None:  # who comes by a link reads what the link's group reads
        may = [await asyncio.to_thread(state.keys.may_read, caller.group, i.id, i.name, i.group) for i in infos]
        infos = tuple(info for info, is_read in zip(infos, may, strict=True) if is_read)
    return await rooms.blocking(find_source, link, infos, caller.document, rooms)


SourceDep = Annotated[Source, Depends(get_source)]


@router.get("/{chunk_id}")  # noqa: FAST003 - `get_link` takes it
async def source(
    request: Request,
    link: LinkDep,
    found: SourceDep,
    rooms: RoomsDep,
    start: Annotated[
        int | None, Query(alias="from", ge=0, description="Ours: where a page for a browser begins.")
    ] = None,
) -> Response:
    """The passage with what stands around it: a page for a browser, JSON for a program."""
    if wants_page(request.scope):
        try:
            picture = await picture_of(found, rooms)
        except Overloaded as busy:  # the text can be read all the same
            picture = Picture(reason=str(busy))
        return source_page(link, found, picture, start)
    chunk, text = found.chunk, found.text
    if found.span.place is Place.LOST and chunk.id != link.chunk_id:
        raise NotFound(
            f"The source {link.chunk_id!r} is gone: the document {chunk.document!r} has changed and no longer says "
            "what was quoted. GET the link's .../document for all that it says now.",
            param="chunk_id",
            code="source_not_found",
        )
    body = {
        "chunk_id": chunk.id,
        "collection": found.collection,
        "document": chunk.document,
        "title": chunk.title,
        "anchor": chunk.anchor.as_dict(),
        "source_start": chunk.start,
        "source_end": chunk.end,
        "text": chunk.text,
        "before": text[max(0, chunk.start - _CONTEXT_CHARS) : chunk.start],
        "after": text[chunk.end : chunk.end + _CONTEXT_CHARS],
    }
    return JSONResponse(body, headers={"vary": "Accept", **PRIVATE})


@router.get("/{chunk_id}/document")  # noqa: FAST003 - `get_link` takes it
async def document(found: SourceDep) -> PlainTextResponse:
    """The whole extracted text of the document that the passage is of."""
    return PlainTextResponse(found.text, headers=PRIVATE)


@router.get(
    "/{chunk_id}/page.png",  # noqa: FAST003 - `get_link` takes it
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def page_png(found: SourceDep, rooms: RoomsDep) -> Response:
    """The page of a PDF on which the passage begins, as a picture with the passage highlighted."""
    picture = await picture_of(found, rooms)
    if picture.page is None:
        if picture.reason is None:
            raise InvalidRequest("The document has no pages to show: it is no PDF. Ask for its text.", param="chunk_id")
        raise NotFound(f"{picture.reason} Ask for the text.", param="chunk_id", code="page_not_found")
    return Response(picture.page.png, media_type="image/png", headers=PRIVATE)
