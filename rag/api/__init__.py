"""The HTTP service: OpenAI's shapes outside, the pipeline inside."""

from rag.api.serve import serve

__all__ = ["serve"]
