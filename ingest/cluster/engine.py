"""The engine that `--engine ray` names."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ingest.cluster.embed import ClusterEncoder, EmbedWindows, facts_of
from ingest.cluster.pipe import Pipe
from ingest.cluster.read import ClusterReaders, ReadFiles
from ingest.cluster.share import shares
from ingest.cluster.start import joined
from rag.settings import EmbeddingSettings, IngestSettings

if TYPE_CHECKING:
    from ingest.engine import FileReaders
    from rag.embed import Encoder


class RayEngine:
    """Reads and embeds on a Ray cluster, which is there for the run alone or was before."""

    def __init__(self, embedding: EmbeddingSettings) -> None:
        """embedding: the model, which each worker loads."""
        self._embedding = embedding

    @contextmanager
    def working(self, encoder: "Encoder", settings: IngestSettings) -> "Iterator[tuple[FileReaders, Encoder]]":
        """Readers and an encoder whose workers are in the cluster.

        Raises:
            ConfigError: Ray is not installed, or no cluster is at `ingest.ray_address`.
        """
        facts = facts_of(encoder)
        with joined(settings.ray_address) as machines:
            readers, encoders = shares(machines, can_use_gpus=self._embedding.device != "cpu")
            # Ray shows each worker its own GPU and no other, whatever number it has on the machine.
            own = {"dtype": facts.info.dtype, "device": "cuda" if encoders.n_gpus else "cpu"}
            make = partial(EmbedWindows, self._embedding.model_copy(update=own), facts, n_lanes=encoders.n_lanes)
            embed = Pipe(make, encoders)
            read = Pipe(partial(ReadFiles, settings), readers)
            try:
                with ClusterReaders(read) as files:
                    yield files, ClusterEncoder(encoder, embed)
                embed.finish()
                read.finish()
            finally:
                embed.stop()
                read.stop()
