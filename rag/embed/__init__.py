"""Text to vectors: encoders, and a batcher that serves many callers at once.

The real encoder is in `rag.embed.encoder`, which loads torch: import it where a model is loaded.
"""

from rag.embed.base import Encoder, cut
from rag.embed.batcher import Batcher
from rag.embed.fake import FakeEncoder
from rag.embed.token_ids import text_of

__all__ = ["Batcher", "Encoder", "FakeEncoder", "cut", "text_of"]
