"""`rag chat`: a conversation in the terminal."""

from rag.cli.chat.chat import chat

__all__ = ["chat"]
