"""From settings to the encoder that they name. Loading a model takes seconds."""

from rag.embed.base import Encoder
from rag.embed.fake import FAKE_MODEL, FakeEncoder
from rag.models import embedding_source
from rag.settings import EmbeddingSettings


def load_encoder(settings: EmbeddingSettings, *, n_threads: int | None = None) -> Encoder:
    """The encoder, loaded. n_threads: CPU threads of this process's torch; None leaves its own choice.

    Raises:
        ConfigError: nothing that can be loaded has this name.
    """
    if settings.model == FAKE_MODEL:
        return FakeEncoder()
    from rag.embed.encoder import SentenceEncoder  # loads torch

    return SentenceEncoder(settings, embedding_source(settings.model), n_threads=n_threads)
