"""The documents behind citations: JSON for programs, pages for browsers."""

from rag.api.sources.routes import router

__all__ = ["router"]
