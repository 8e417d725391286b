"""The encoder alone as an arm: one call of sentence-transformers over all texts, with the best batch size for it."""

import time
from collections.abc import Sequence
from typing import Any

from rag.bench.ingest.child import WARM_UP, Said, Spec, Work, facts_of, serve, set_threads

_BATCH_SIZES = (8, 16, 32)  # 32 is the library's own


def load(spec: Spec) -> tuple[Work, Said]:
    """One call, with the model loaded in the type that ours computes in."""
    set_threads(spec)
    import torch
    from sentence_transformers import SentenceTransformer

    device = spec["embedding"]["device"]
    model = SentenceTransformer(
        spec["model"],
        device=None if device == "auto" else device,
        model_kwargs={"dtype": getattr(torch, spec["dtype"])},
    )
    model.eval()
    batch_size = _best(model, spec["sample"])

    def work(texts: Sequence[str]) -> Said:
        return {"embedded": len(model.encode(list(texts), batch_size=batch_size, show_progress_bar=False))}

    return work, {**facts_of(model), "batch_size": batch_size}


def _best(model: Any, sample: Sequence[str]) -> int:  # noqa: ANN401 - its own types come with torch
    """The batch size with which the sample is done soonest."""
    model.encode(list(WARM_UP), show_progress_bar=False)
    seconds = {}
    for size in _BATCH_SIZES:
        began = time.perf_counter()
        model.encode(list(sample), batch_size=size, show_progress_bar=False)
        seconds[size] = time.perf_counter() - began
    return min(seconds, key=lambda size: seconds[size])


if __name__ == "__main__":
    serve(load)
