"""`GET /v1/models` and `GET /v1/models/{id}`."""

from fastapi import APIRouter

from rag.api.access import requires
from rag.api.names import all_names, is_name, makes_embeddings, unknown_model
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.rooms import Rooms

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[requires(Scope.CHAT, Scope.EMBEDDINGS)])

# When a model was made is not known; clients only need a number that stays.
_CREATED = 1735689600


@router.get("")
async def list_models(rooms: RoomsDep) -> Json:
    """Every name that requests may carry, the chat model first. `rag.kind` is `chat` or `embeddings`."""
    return {"object": "list", "data": [_model(name, rooms) for name in all_names(rooms)]}


@router.get("/{model:path}")
async def retrieve_model(model: str, rooms: RoomsDep) -> Json:
    """One model. Its id may contain slashes."""
    if not is_name(model, rooms):
        raise unknown_model(model)
    return _model(model, rooms)


def _model(name: str, rooms: Rooms) -> Json:
    kind = "embeddings" if makes_embeddings(name, rooms) else "chat"
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "prefixrag", "rag": {"kind": kind}}
