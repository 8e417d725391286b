"""The application: routes, errors and the frame around them."""

from fastapi import FastAPI

import rag
from rag.api import (
    chat,
    completions,
    embeddings,
    errors,
    file_batches,
    files,
    health,
    input_tokens,
    models,
    openapi,
    responses,
    sources,
    stored_responses,
    vector_search,
    vector_store_files,
    vector_stores,
    warm,
)
from rag.api.authenticate import Authenticate
from rag.api.metering import Metering
from rag.api.middleware import Frame
from rag.api.state import State


def create_app(state: State) -> FastAPI:
    """The application over `state`, whose rooms may open later."""
    app = FastAPI(title="prefixrag", version=rag.__version__, redoc_url=None, responses=openapi.ERRORS)
    app.state.service = state
    for module in (
        chat,
        completions,
        responses,
        input_tokens,
        stored_responses,
        embeddings,
        models,
        sources,
        warm,
        health,
    ):
        app.include_router(module.router)
    for room in (files, vector_stores, vector_store_files, file_batches):
        app.include_router(room.reading)
        app.include_router(room.changing)
    app.include_router(vector_search.router)
    errors.install(app)
    openapi.install(app)
    app.add_middleware(Metering, state=state)
    app.add_middleware(Authenticate, state=state)
    app.add_middleware(Frame, state=state)  # the last one added is the outermost
    return app
