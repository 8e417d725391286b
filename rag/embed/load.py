"""From settings to the encoder that they name. Loading a model takes seconds."""

from rag.embed.base import Encoder
from rag.embed.fake import FAKE_MODEL, FakeEncoder
from rag.models import embedding_source
from rag.settings import EmbeddingSettings


def load_encoder(settings: EmbeddingSettings, *, n_threads: int | None = None, n_lanes: int | None = 1) -> Encoder:
    """The encoder, loaded. n_threads, n_lanes: as of `SentenceEncoder`.

    Raises:
        ConfigError: nothing that can be loaded has this name.
    """
    if settings.model == FAKE_MODEL:
        return FakeEncoder()
    from rag.embed.encoder import SentenceEncoder  # loads torch

    return SentenceEncoder(settings, embedding_source(settings.model), n_threads=n_threads, n_lanes=n_lanes)


def load_for_many(settings: EmbeddingSettings) -> Encoder:
    """The encoder for a process that does nothing else: it takes the whole machine.

    Each batch is computed by one thread, so the number of cores has no part in what the vectors are.

    Raises:
        ConfigError: nothing that can be loaded has this name.
    """
    return load_encoder(settings, n_threads=1, n_lanes=None)
