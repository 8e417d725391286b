"""Haystack's indexing pipeline as an arm, at its defaults, into its store in memory, which it does not keep."""

from collections.abc import Sequence

from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

from rag.bench.ingest.child import WARM_UP, Said, Spec, Work, facts_of, serve, set_threads


def load(spec: Spec) -> tuple[Work, Said]:
    """The pipeline, with its embedding model loaded."""
    set_threads(spec)
    embedder = SentenceTransformersDocumentEmbedder(model=spec["model"])
    embedder.warm_up()
    embedder.run(documents=[Document(content=text) for text in WARM_UP])
    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("writer", DocumentWriter(store))
    pipeline.connect("embedder.documents", "writer.documents")

    def work(texts: Sequence[str]) -> Said:
        pipeline.run({"embedder": {"documents": [Document(content=text) for text in texts]}})
        return {"embedded": store.count_documents()}

    facts = facts_of(embedder.embedding_backend.model, "haystack-ai", "sentence-transformers-haystack")
    return work, {**facts, "batch_size": embedder.batch_size}


if __name__ == "__main__":
    serve(load)
