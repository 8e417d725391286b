"""Where a text says a statement in other words. Costs an embedding, so it is asked last."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.cite.align.source import Sentence, Source

# Texts to rows of length 1, in the order given. Blocks; should remember the rows of texts that come again.
Embed = Callable[[Sequence[str]], NDArray[np.float32]]

_MOST_SENTENCES = 60


def nearest(statement: str, source: Source, embed: Embed, least: float) -> Sentence | None:
    """The sentence of `source` that means most nearly what `statement` does; None if its cosine is below `least`."""
    candidates = source.sentences[:_MOST_SENTENCES]
    if not candidates:
        return None
    vectors = embed([statement, *(source.text[each.start : each.end] for each in candidates)])
    cosines = vectors[1:] @ vectors[0]
    best = int(np.argmax(cosines))
    return candidates[best] if cosines[best] >= least else None
