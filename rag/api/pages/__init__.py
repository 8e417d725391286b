"""The pages that people use: `/`, `/reuse`, `/documents`, `/docs`. They call the public API and nothing else."""

from rag.api.pages.routes import PATHS, STATIC, router

__all__ = ["PATHS", "STATIC", "router"]
