"""LlamaIndex's ingestion pipeline as an arm, at its defaults, into its own index, which is persisted."""

import time
from collections.abc import Sequence

from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from rag.bench.ingest.child import WARM_UP, Said, Spec, Work, facts_of, serve, set_threads


def load(spec: Spec) -> tuple[Work, Said]:
    """The pipeline, with its embedding model loaded."""
    set_threads(spec)
    embedding = HuggingFaceEmbedding(model_name=spec["model"])
    embedding.get_text_embedding_batch(list(WARM_UP))
    pipeline = IngestionPipeline(transformations=[embedding])

    def work(texts: Sequence[str]) -> Said:
        began = time.perf_counter()
        nodes = pipeline.run(nodes=[TextNode(text=text) for text in texts])
        embedded = time.perf_counter()
        index = VectorStoreIndex(nodes, embed_model=embedding)
        index.storage_context.persist(spec["folder"])
        stages = {"embed": embedded - began, "store": time.perf_counter() - embedded}
        return {"embedded": len(index.index_struct.nodes_dict), "stages": stages}

    facts = facts_of(embedding._model, "llama-index-core", "llama-index-embeddings-huggingface")  # noqa: SLF001
    return work, {**facts, "batch_size": embedding.embed_batch_size}


if __name__ == "__main__":
    serve(load)
