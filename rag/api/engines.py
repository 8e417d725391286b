"""`/engines`: the engines of a running service, and how they come and go."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rag.api.access import requires
from rag.api.body import JsonRoute
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.engine import Slot, base_url
from rag.errors import EngineTimeout, InvalidRequest
from rag.rooms import Rooms

router = APIRouter(prefix="/engines", tags=["operations"], dependencies=[requires(Scope.ADMIN)], route_class=JsonRoute)


class NewEngine(BaseModel):
    """A running vLLM server, or a model that a local one is started for."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(None, description="Of a running server; one that is drained gets requests again.")
    kv_events: str | None = Field(None, description="ZMQ address of its KV events.")
    kv_replay: str | None = Field(None, description="ZMQ address where it repeats missed ones.")
    model: str | None = Field(None, description="Of a local engine to start: as the setting engine.model.")
    device: str | None = Field(None, description="What that one runs on: an item of engine.devices.")


class OldEngine(BaseModel):
    """One of the engines."""

    model_config = ConfigDict(extra="forbid")

    engine: str = Field(description="Its URL or name.")
    wait_s: float | None = Field(
        None, ge=0, description="Seconds to wait for its requests; unset: as long as one may take."
    )
    force: bool = Field(
        False, description="Also where no other engine is ready; and do not wait for its requests to end."
    )


@router.get("")
async def list_engines(rooms: RoomsDep) -> Json:
    """Every engine, and what is known of it."""
    return {"engines": [engine_facts(slot, rooms) for slot in rooms.fleet.slots]}


@router.post("/add")
async def add_engine(body: NewEngine, rooms: RoomsDep) -> Json:
    """One more engine, once it is ready: it was asked what it serves, tested, and computed what is shared."""
    fleet = rooms.fleet
    if (body.url is None) == (body.model is None):
        raise InvalidRequest("Name either the url of a running engine or the model of one to start.", param="url")
    if body.model is not None:
        slot = await fleet.local(body.model, device=body.device)
        await fleet.add(slot)
    elif drained := next(
        (each for each in fleet.slots if each.is_leaving and each.engine.url == base_url(body.url or "")), None
    ):
        slot = drained
        await fleet.undrain(slot)
    else:
        slot = fleet.running(body.url or "", events=body.kv_events, replay=body.kv_replay)
        await fleet.add(slot)
    return engine_facts(slot, rooms)


@router.post("/drain")
async def drain_engine(body: OldEngine, rooms: RoomsDep) -> Json:
    """The engine, once it has ended what it had. It gets no new requests."""
    slot = rooms.fleet.engine(body.engine)
    await rooms.fleet.drain(slot, wait_s=_wait_s(body, rooms), is_forced=body.force)
    return engine_facts(slot, rooms)


@router.post("/remove")
async def remove_engine(body: OldEngine, rooms: RoomsDep) -> Json:
    """The engine, which is drained first and then forgotten; one that the service started ends."""
    slot = rooms.fleet.engine(body.engine)
    try:
        await rooms.fleet.drain(slot, wait_s=0.0 if body.force else _wait_s(body, rooms), is_forced=body.force)
    except EngineTimeout:
        if not body.force:
            raise
    facts = engine_facts(slot, rooms)
    await rooms.fleet.remove(slot)
    return {**facts, "state": "removed"}


def _wait_s(body: OldEngine, rooms: Rooms) -> float:
    return rooms.settings.server.request_timeout_s if body.wait_s is None else body.wait_s


def engine_facts(slot: Slot, rooms: Rooms) -> Json:
    """All that is known of an engine."""
    info, model = slot.info, rooms.fleet.model_of(slot)
    return {
        "url": slot.engine.url,
        "name": slot.name,
        "pid": slot.local.pid if slot.local else None,
        "model": model.name if model else None,
        "state": slot.state.value,
        "reason": slot.reason or None,
        "log": str(slot.local.log_file) if slot.local else None,
        "window_tokens": info.window_tokens if info else None,
        "block_size": info.block_size if info else None,
        "kv_tokens": info.kv_tokens if info else None,
        "gives_tokens": info.gives_tokens if info else None,
        "restarts": slot.local.restarts if slot.local else 0,
        "running": slot.n_running,
        "queue_ms": round(slot.queue_ms, 1),
        "routed": {why.value: count for why, count in sorted(slot.n_routed.items())},
        "reuse": slot.reuse.value,
        "mirror": slot.held.state.value,
        "prediction_error": slot.accuracy.error,
    }
