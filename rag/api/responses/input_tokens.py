"""`POST /v1/responses/input_tokens`."""

from fastapi import APIRouter, Request

from rag.api.access import CallerDep, requires
from rag.api.body import JsonRoute
from rag.api.names import rooms_of_model
from rag.api.responses.conversation import conversation
from rag.api.schemas.input_tokens import InputTokensRequest
from rag.api.schemas.response_tools import read_tools
from rag.api.state import RoomsDep
from rag.api.wire import Json
from rag.auth import Scope
from rag.compose import plain_prompt

router = APIRouter(
    prefix="/v1/responses", tags=["responses"], dependencies=[requires(Scope.CHAT)], route_class=JsonRoute
)


@router.post("/input_tokens")
async def count_input_tokens(body: InputTokensRequest, request: Request, rooms: RoomsDep, caller: CallerDep) -> Json:
    """How many tokens the words of a request are, without the documents that its answer would show."""
    body.check()
    rooms = rooms_of_model(body.model or rooms.fleet.first.name, "", rooms, request.scope)
    messages, _ = await conversation(body, caller, rooms)
    prompt = await rooms.blocking(plain_prompt, messages, read_tools(body.tools or ()).functions, rooms)
    return {"object": "response.input_tokens", "input_tokens": len(prompt.token_ids)}
