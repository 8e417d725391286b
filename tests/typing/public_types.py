"""Checked by mypy, never run: the types that others build on."""

from typing import assert_type

from rag.ask import Reuse
from rag.errors import HTTP_STATUS, Overloaded, RagError
from rag.types import Anchor, Chunk, ChunkId, Citation, Delta, Hit, Prompt, Segment, Status, Tokens, Usage


def values(hit: Hit, prompt: Prompt, delta: Delta, citation: Citation, reuse: Reuse) -> None:
    assert_type(hit.chunk, Chunk)
    assert_type(hit.chunk.id, ChunkId)
    assert_type(hit.chunk.anchor, Anchor)
    assert_type(hit.score, float)
    assert_type(prompt.token_ids, Tokens)
    assert_type(prompt.segments, tuple[Segment, ...])
    assert_type(delta.usage, Usage | None)
    assert_type(citation.status, Status)
    assert_type(citation.anchor, Anchor | None)
    assert_type(reuse.cached_tokens, int | None)


def errors(error: Overloaded) -> None:
    assert_type(error.retry_after_s, int)
    assert_type(HTTP_STATUS, dict[type[RagError], int])
