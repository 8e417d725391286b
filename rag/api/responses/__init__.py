"""`/v1/responses`: answers as items, stored and continued by their ids."""

from fastapi import APIRouter

from rag.api.responses import input_tokens, routes, stored

router = APIRouter()
for _part in (routes, input_tokens, stored):
    router.include_router(_part.router)

__all__ = ["router"]
