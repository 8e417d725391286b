"""Text to vectors: encoders, and a batcher that serves many callers at once.

The real encoder is in `rag.embed.encoder`, which loads torch: import it where a model is loaded.
"""

from rag.embed.base import Encoder
from rag.embed.batcher import Batcher
from rag.embed.fake import FakeEncoder

__all__ = ["Batcher", "Encoder", "FakeEncoder"]
