"""The application: routes, errors and the frame around them."""

from fastapi import FastAPI

import rag
from rag.api import (
    chat,
    completions,
    documents,
    embeddings,
    engines,
    errors,
    files,
    health,
    models,
    openapi,
    pages,
    responses,
    reuse,
    sources,
    vector_stores,
    warm,
)
from rag.api.authenticate import Authenticate
from rag.api.metering import Metering
from rag.api.middleware import Frame
from rag.api.state import State


def create_app(state: State) -> FastAPI:
    """The application over `state`, whose rooms may open later."""
    app = FastAPI(title="prefixrag", version=rag.__version__, docs_url=None, redoc_url=None, responses=openapi.ERRORS)
    app.state.service = state
    for module in (
        chat,
        completions,
        responses,
        embeddings,
        models,
        vector_stores,
        sources,
        warm,
        engines,
        health,
        documents,
        reuse,
        pages,
    ):
        app.include_router(module.router)
    app.include_router(files.reading)
    app.include_router(files.changing)
    errors.install(app)
    openapi.install(app)
    app.add_middleware(Metering, state=state)
    app.add_middleware(Authenticate, state=state)
    app.add_middleware(Frame, state=state)  # the last one added is the outermost
    return app
