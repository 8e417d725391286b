"""`GET /health`, `/ready` and `/metrics`."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

import rag
from rag.api.access import CallerDep, requires, visible_collections
from rag.api.scrape import gauge
from rag.api.state import RoomsDep, StateDep
from rag.api.wire import Json
from rag.auth import Caller, Scope
from rag.engine import Slot
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
    is_ready = rooms is not None and bool(rooms.pool.ready())
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
        "engines": [_engine(slot, rooms) for slot in rooms.pool.slots],
        "embedding": {"model": info.model, "dimensions": info.dimensions, "dtype": info.dtype},
        "collections": facts,
    }


@router.get("/metrics", dependencies=[requires(Scope.ADMIN)])
async def metrics(rooms: RoomsDep) -> Response:
    """Prometheus' text format."""
    await gauge(rooms)
    return PlainTextResponse(rooms.metrics.render(), media_type="text/plain; version=0.0.4")


def _engine(slot: Slot, rooms: Rooms) -> Json:
    info = slot.info
    return {
        "url": slot.engine.url,
        "pid": slot.local.pid if slot.local else None,
        "model": rooms.engine.model,
        "state": slot.state.value,
        "reason": slot.reason or None,
        "log": str(slot.local.log_file) if slot.local else None,
        "block_size": info.block_size if info else None,
        "kv_tokens": info.kv_tokens if info else None,
        "restarts": slot.local.restarts if slot.local else 0,
        "running": slot.n_running,
        "queue_ms": round(slot.queue_ms, 1),
        "routed": {why.value: count for why, count in sorted(slot.n_routed.items())},
        "reuse": slot.reuse.value,
        "mirror": slot.held.state.value,
        "prediction_error": slot.accuracy.error,
    }
