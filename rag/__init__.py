"""prefixrag: a self-hosted RAG service built around prefix-cache reuse."""

__version__ = "0.1.0"
