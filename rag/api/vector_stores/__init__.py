"""`/v1/vector_stores`: collections, their files, batches of files, and search."""

from fastapi import APIRouter

from rag.api.vector_stores import batches, files, routes, search

router = APIRouter()
for _part in (routes.reading, routes.changing, files.reading, files.changing, batches.reading, batches.changing):
    router.include_router(_part)
router.include_router(search.router)

__all__ = ["router"]
