"""`rag top`: what the service does just now."""

from rag.cli.top.top import top

__all__ = ["top"]
