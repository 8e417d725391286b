"""Vector stores as OpenAI's API sees them: a collection, what is known of its files, and when it expires."""

from rag.library.library import Library
from rag.library.members import Member
from rag.library.view import StoreView, count, created_at

__all__ = ["Library", "Member", "StoreView", "count", "created_at"]
