"""Texts embedded in the cluster: a window of them by one worker, as one call embeds it on one machine."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.cluster.pipe import Pipe
from rag.errors import ConfigError
from rag.settings import EmbeddingSettings
from rag.types import EmbeddingInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from rag.embed import Encoder  # the room loads torch
    from rag.embed.base import Vectors


@dataclass(frozen=True, slots=True)
class Facts:
    """What two encoders must have in common to give the same vectors."""

    info: EmbeddingInfo
    max_tokens: int
    tokenizer: str  # checksum


def facts_of(encoder: "Encoder") -> Facts:
    """What this one is."""
    tokenizer = hashlib.sha256(encoder.tokenizer.to_str().encode()).hexdigest()
    return Facts(encoder.info, encoder.max_tokens, tokenizer)


class EmbedWindows:
    """What a worker in the cluster does."""

    def __init__(self, settings: EmbeddingSettings, wanted: Facts, *, n_lanes: int) -> None:
        """Load the model.

        wanted: what it is here. n_lanes: batches that are computed at once, each by one thread as on one machine.

        Raises:
            ConfigError: it is not there, or another one than here.
        """
        from rag.embed.load import load_encoder

        self._encoder = load_encoder(settings, n_threads=1, n_lanes=n_lanes)
        found = facts_of(self._encoder)
        if found != wanted:
            raise ConfigError(
                f"The embedding model {settings.model!r} is another one in the cluster than here ({found}; here "
                f"{wanted}). Give all machines the same one, and the same version of prefixrag."
            )

    def __call__(self, texts: Sequence[str]) -> "Vectors":
        """Their vectors, in order."""
        return self._encoder.encode_documents(texts)


class ClusterEncoder:
    """An `Encoder` whose documents are embedded by the workers of a pipe."""

    def __init__(self, encoder: "Encoder", pipe: "Pipe[Sequence[str], Vectors]") -> None:
        """encoder: the same model here, which says what it is and need not be loaded for that."""
        self._encoder = encoder
        self._pipe = pipe

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""
        return self._encoder.info

    @property
    def tokenizer(self) -> "Tokenizer":
        """The model's tokenizer without truncation or padding."""
        return self._encoder.tokenizer

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included."""
        return self._encoder.max_tokens

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to."""
        return self._encoder.shorter_dimensions

    @property
    def at_once(self) -> int:
        """How many threads may call at a time."""
        return self._pipe.at_once

    def encode_documents(self, texts: Sequence[str]) -> "Vectors":
        """Vectors of texts that are searched, in the order given.

        Raises:
            CorpusError: the cluster has given up.
        """
        if not texts:
            return np.empty((0, self.info.dimensions), np.float32)
        return self._pipe.submit(tuple(texts)).result()

    def encode_queries(self, texts: Sequence[str]) -> "Vectors":
        """Vectors of texts that search, in the order given; computed here."""
        return self._encoder.encode_queries(texts)

    def close(self) -> None:
        """Nothing; a call under way ends soon with `CancelledError`, as do all that follow."""
        self._pipe.close()
