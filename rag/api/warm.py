"""`POST /warm`: compute shared prefixes now instead of when an engine is idle."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from rag.api.state import RoomsDep, WarmerDep
from rag.api.wire import Json

router = APIRouter(tags=["operations"])


class WarmBody(BaseModel):
    """What to compute."""

    model_config = ConfigDict(extra="forbid")

    collection: str | None = None  # None: every one


@router.post("/warm")
async def warm(body: WarmBody, rooms: RoomsDep, warmer: WarmerDep) -> Json:
    """What was computed, once it is: for each collection the prefixes that fit the setting cache.prefix_share."""
    names = [body.collection] if body.collection else [info.id for info in rooms.store.collections()]
    return {"warmed": [asdict(await warmer.warm(name)) for name in names]}
