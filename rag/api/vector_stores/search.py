"""`POST /v1/vector_stores/{id}/search`: passages, without a chat model."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request

from rag.api import sse
from rag.api.access import CallerDep, find_collection, requires
from rag.api.body import JsonRoute
from rag.api.schemas.vector_stores import Search
from rag.api.state import RoomsDep
from rag.api.wire import Json, score_json
from rag.auth import Scope
from rag.rooms import Rooms
from rag.store import CollectionInfo, Generation
from rag.types import Hit, SourceFile

router = APIRouter(
    prefix="/v1/vector_stores", tags=["vector stores"], dependencies=[requires(Scope.CHAT)], route_class=JsonRoute
)

_COUNTS = 0.01  # of a score: what gives no more of it, as a word that is everywhere, is no reason


@router.post("/{store_id}/search")
async def search_vector_store(
    store_id: str, body: Search, request: Request, rooms: RoomsDep, caller: CallerDep
) -> Json:
    """The passages nearest to any of the queries, best first."""
    info = await find_collection(store_id, caller, rooms)
    await rooms.blocking(rooms.library.refuse_expired, info)
    data = await sse.while_connected(request, _search(info, body, rooms))
    return {
        "object": "vector_store.search_results.page",
        "search_query": body.queries(),
        "data": data,
        "has_more": False,
        "next_page": None,
    }


async def _search(info: CollectionInfo, body: Search, rooms: Rooms) -> list[Json]:
    condition = body.document_filter()
    with rooms.store.pin(info.id) as generation:
        allowed = await rooms.blocking(rooms.library.allowed, condition, generation)
        # Each alone: together they would be a conversation.
        searches = [
            rooms.retriever.search([query], generation, top_k=body.max_num_results, allowed=allowed)
            for query in body.queries()
        ]
        found = [hits for (hits,) in await asyncio.gather(*searches)]
        hits = _merged(found, body.ranking_options.score_threshold)[: body.max_num_results]
        return await rooms.blocking(_results, hits, generation, rooms, explains="match" in body.rag.include)


def _merged(found: Sequence[Sequence[Hit]], threshold: float) -> list[Hit]:
    """The hits of all queries, each chunk once with its best score."""
    best: dict[int, Hit] = {}
    for hit in (hit for hits in found for hit in hits if score_json(hit.score) >= threshold):
        if hit.chunk.seq not in best or hit.score > best[hit.chunk.seq].score:
            best[hit.chunk.seq] = hit
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk.seq))


def _results(hits: Sequence[Hit], generation: Generation, rooms: Rooms, *, explains: bool) -> list[Json]:
    """Blocks."""
    rooms.library.used(generation.info.id)
    files = rooms.library.files_of((hit.chunk for hit in hits), generation)
    return [_result(hit, files[hit.chunk.id]) | (_why(hit) if explains else {}) for hit in hits]


def _why(hit: Hit) -> Json:
    match, cosine = hit.match, hit.cosine
    if match is None or cosine is None:
        return {"match": None}
    dense, lexical = match.meaning_weight * max(cosine, 0.0), (1 - match.meaning_weight) * match.words_share
    least = _COUNTS * (dense + lexical)
    return {
        "match": {
            "by": "dense" if lexical <= least else "lexical" if dense <= least else "both",
            "dense": {"rank": match.meaning_rank, "score": score_json(cosine), "weight": match.meaning_weight},
            "lexical": {
                "rank": match.words_rank,
                "score": score_json(match.words_share),
                "weight": 1 - match.meaning_weight,
            },
        }
    }


def _result(hit: Hit, file: SourceFile) -> Json:
    chunk = hit.chunk
    return {
        "file_id": file.id,
        "filename": file.name,
        "score": score_json(hit.score),
        "attributes": dict(file.attributes),
        "content": [{"type": "text", "text": chunk.text}],
        "document": chunk.document,
        "chunk_id": chunk.id,
        "source_start": chunk.start,
        "source_end": chunk.end,
        "anchor": chunk.anchor.as_dict(),
    }
