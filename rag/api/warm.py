"""`POST /warm`: compute shared prefixes now instead of when an engine is idle."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rag.api.access import CallerDep, find_collection, requires, visible_collections
from rag.api.body import JsonRoute
from rag.api.state import RoomsDep, WarmerDep
from rag.api.wire import Json
from rag.auth import Scope

router = APIRouter(tags=["operations"], dependencies=[requires(Scope.ADMIN)], route_class=JsonRoute)


class WarmBody(BaseModel):
    """What to compute."""

    model_config = ConfigDict(extra="forbid")

    collection: str | None = Field(None, description="Name or id; unset: every one.")


@router.post("/warm")
async def warm(body: WarmBody, rooms: RoomsDep, warmer: WarmerDep, caller: CallerDep) -> Json:
    """What was computed, once it is: for each collection the prefixes that fit the setting cache.prefix_share."""
    infos = (
        [await find_collection(body.collection, caller, rooms)]
        if body.collection
        else await visible_collections(caller, rooms)
    )
    return {"warmed": [asdict(await warmer.warm(info.id)) for info in infos]}
