"""`rag ingest` as an arm: files in, a published generation out."""

from collections.abc import Sequence
from pathlib import Path

from ingest.pipeline import ingest
from rag import __version__
from rag.bench.ingest.child import WARM_UP, Said, Spec, Work, serve
from rag.embed.load import load_encoder
from rag.settings import EmbeddingSettings, IndexSettings, IngestSettings
from rag.store import Store


def load(spec: Spec) -> tuple[Work, Said]:
    """An ingest into an empty data directory, with the encoder loaded as `rag ingest` loads it."""
    encoder = load_encoder(EmbeddingSettings(**spec["embedding"]), n_threads=1, n_lanes=spec["n_threads"])
    encoder.encode_documents(WARM_UP)
    store = Store(Path(spec["folder"]), IndexSettings(**spec["index"]))

    def work(_: Sequence[str]) -> Said:
        summary = ingest(
            [Path(path) for path in spec["paths"]],
            collection=spec["collection"],
            store=store,
            encoder=encoder,
            settings=IngestSettings(**spec["ingest"]),
        )
        return {
            "embedded": summary.embedded,
            "failed": len(summary.failed),
            "stages": dict(summary.stages),
        }

    return work, {
        "dtype": encoder.info.dtype,
        "n_threads": spec["n_threads"],
        "versions": {"prefixrag": __version__},
    }


if __name__ == "__main__":
    serve(load)
