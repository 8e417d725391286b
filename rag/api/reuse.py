"""`GET /v1/rag/reuse`: how much of the prompts was computed before, what is shared, and what fills the caches.

Counts of tokens and answers, and names of documents; no prompt, no answer, no question. A key sees the collections that
it may read and the answers of its own group; one with `admin` those of every group that read them, as in `/metrics`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from rag.api.access import CallerDep, find_collection, requires, visible_collections
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Caller, Scope
from rag.engine import Slot
from rag.errors import NotFound
from rag.holdings import Beginning, Beginnings, beginnings, parts
from rag.rooms import Rooms
from rag.store import CollectionInfo
from rag.tally import PrefixUse, Sums

router = APIRouter(prefix="/v1/rag", tags=["reuse"], dependencies=[requires(Scope.CHAT)])

_LISTED = 20  # prefixes of a collection
_OPENED = 20  # collections; with more, those that nobody asks for stay closed


@dataclass(frozen=True, slots=True)
class _Sight:
    """Whose answers and blocks a caller is told of. None: everybody's."""

    groups: Collection[str] | None
    scopes: Collection[str] | None


@router.get("/reuse")
async def reuse(
    rooms: RoomsDep,
    caller: CallerDep,
    collection: Annotated[
        str | None, Query(description="Only of the collection of this name or id; of all that the key may read.")
    ] = None,
) -> Json:
    """Reuse by collection since the service started and by minute, shared prefixes, and what engines hold."""
    infos = (
        (await find_collection(collection, caller, rooms, param="collection"),)
        if collection is not None
        else await visible_collections(caller, rooms)
    )
    sight = _sight(caller, infos)
    opens = len(infos) <= _OPENED
    return {
        "object": "rag.reuse",
        "since": rooms.tally.since,
        "now": rooms.library.now(),
        "collections": [await _collection(info, sight, rooms, opens=opens) for info in infos],
        "engines": [_engine(number, slot, infos, sight) for number, slot in enumerate(rooms.fleet.slots)],
    }


def _sight(caller: Caller, infos: Collection[CollectionInfo]) -> _Sight:
    if caller.key_id is None or caller.may(Scope.ADMIN):
        return _Sight(None, None)
    group = caller.group
    return _Sight({group}, {f"group:{group}", *(f"collection:{info.id}" for info in infos)})


async def _collection(info: CollectionInfo, sight: _Sight, rooms: Rooms, *, opens: bool) -> Json:
    tally = rooms.tally
    uses, minutes = tally.prefixes(info.id, sight.groups), tally.minutes(info.id, sight.groups)
    seen = rooms.groups.seen(info.id, info.group) if sight.groups is None else tuple(sight.groups)
    found = None
    if opens or rooms.store.is_open(info.id):
        found = await rooms.blocking(_beginnings, info, uses, seen, rooms)
    return {
        "id": info.id,
        "name": info.name,
        "generation": info.generation,
        "documents": info.documents,
        "chunks": info.chunks,
        "reuse": _sums(tally.sums(info.id, sight.groups)),
        "minutes": [{"at": at, **_sums(sums)} for at, sums in minutes.items()],
        "shared_prefix": found
        and {
            "version": found.version,
            "documents": found.n_documents,
            "tokens": found.n_tokens,
            "prefixes": found.n_all,
        },
        "prefixes": [_prefix(each) for each in found.listed] if found else [],
    }


def _beginnings(
    info: CollectionInfo, uses: dict[str, PrefixUse], groups: tuple[str, ...], rooms: Rooms
) -> Beginnings | None:
    """Blocks."""
    try:
        with rooms.store.pin(info.id) as generation:
            return beginnings(generation, uses, groups, rooms, limit=_LISTED)
    except NotFound:  # deleted since it was listed
        return None


def _sums(sums: Sums) -> Json:
    return {
        "answers": sums.n_answers,
        "prompt_tokens": sums.prompt_tokens,
        "cached_tokens": sums.cached_tokens,
        "misses": dict(sums.misses.most_common()),
    }


def _prefix(each: Beginning) -> Json:
    use = each.use
    return {
        "version": each.version,
        "documents": each.n_documents,
        "names": list(each.names),
        "chunks": each.n_chunks,
        "tokens": each.n_tokens,
        "answers": use.n_answers if use else 0,
        "cached_tokens": use.cached_tokens if use else 0,
        "first_used_at": use.first_at if use else None,
        "last_used_at": use.last_at if use else None,
        "engines": list(each.engines),
    }


def _engine(number: int, slot: Slot, infos: Collection[CollectionInfo], sight: _Sight) -> Json:
    """How full a cache is tells of all groups, and its address of the machine: who may see all is told."""
    info, sees_all = slot.info, sight.groups is None
    found = parts(slot, scopes=sight.scopes, collections={each.id for each in infos})
    held = len(slot.held) * info.block_size if info else 0
    return {
        "engine": number,
        "url": slot.engine.url if sees_all else None,
        "state": slot.state.value,
        "mirror": slot.held.state.value,
        "capacity_tokens": info.kv_tokens if info else None,
        "held_tokens": held if sees_all else None,
        "parts": [{"collection": part.collection, "part": part.name, "tokens": part.n_tokens} for part in found],
    }
