"""`GET /health`, `/ready` and `/metrics`."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

import rag
from rag.api.access import CallerDep, requires, visible_collections
from rag.api.engines import engine_facts
from rag.api.scrape import gauge
from rag.api.state import RoomsDep, StateDep
from rag.api.wire import Json
from rag.auth import Caller, Scope
from rag.rooms import Rooms, collection_facts

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health() -> Json:
    """The process lives. Says nothing of the engine."""
    return {"status": "ok", "version": rag.__version__}


@router.get("/ready")
async def ready(state: StateDep, caller: CallerDep) -> JSONResponse:
    """200 when an engine is ready, otherwise 503; to an administrator with all that is known."""
    rooms = state.rooms
    is_ready = rooms is not None and any(slot.is_ready for slot in rooms.fleet.slots)
    status = "ready" if is_ready else "unavailable" if rooms else "starting"
    facts = await _facts(caller, rooms) if caller.may(Scope.ADMIN) else {}
    return JSONResponse({"status": status, **facts}, 200 if is_ready else 503)


async def _facts(caller: Caller, rooms: Rooms | None) -> Json:
    if rooms is None:
        return {"engines": [], "embedding": None, "collections": []}
    infos = await visible_collections(caller, rooms)
    facts = await rooms.blocking(collection_facts, rooms, infos)
    info = rooms.batcher.encoder.info
    return {
        "engines": [engine_facts(slot, rooms) for slot in rooms.fleet.slots],
        "embedding": {"model": info.model, "dimensions": info.dimensions, "dtype": info.dtype},
        "collections": facts,
    }


@router.get("/metrics", dependencies=[requires(Scope.ADMIN)])
async def metrics(rooms: RoomsDep) -> Response:
    """Prometheus' text format."""
    await gauge(rooms)
    return PlainTextResponse(rooms.metrics.render(), media_type="text/plain; version=0.0.4")
