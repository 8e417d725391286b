"""Parts of a response as OpenAI's clients read them."""

from collections.abc import Mapping, Sequence

from rag.api.wire import Json, score_json
from rag.ask import Found
from rag.types import ChunkId, Citation, Hit, SourceFile, Usage


def usage_json(usage: Usage) -> Json:
    """Token counts. All are numbers, so an engine that does not say what it reused reads as 0; `rag` has null."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def annotation_json(citation: Citation, found: Found) -> Json:
    """A citation as `file_citation`, at the marker's place in the text.

    `result_index` is its chunk's place in the results of the search; null: the prompt shows the chunk to everyone.
    """
    places = {hit.chunk.id: index for index, hit in enumerate(found.hits)}
    file = found.files[citation.chunk.id]
    return {
        "type": "file_citation",
        "index": citation.marker_start,
        "file_id": file.id,
        "filename": file.name,
        "document": citation.chunk.document,
        "chunk_id": citation.chunk.id,
        "quote": citation.quote,
        "source_start": citation.source_start,
        "source_end": citation.source_end,
        "status": citation.status.value,
        "problem": citation.problem.value if citation.problem else None,
        "result_index": places.get(citation.chunk.id),
    }


def search_json(item_id: str, found: Found | None) -> Json:
    """The item of a search; None: it is under way."""
    return {
        "id": item_id,
        "type": "file_search_call",
        "status": "completed" if found else "in_progress",
        "queries": [found.query] if found else [],
        "results": [_result_json(hit, found.files) for hit in found.hits] if found else None,
    }


def message_json(item_id: str, status: str, content: Sequence[Json]) -> Json:
    """The item of an answer."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": list(content)}


def text_json(text: str, annotations: Sequence[Json], logprobs: Sequence[Json]) -> Json:
    """The one part of an answer."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def call_json(item_id: str, status: str, *, call_id: str, name: str, arguments: str) -> Json:
    """The item of a call of a function."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def _result_json(hit: Hit, files: Mapping[ChunkId, SourceFile]) -> Json:
    file = files[hit.chunk.id]
    return {
        "file_id": file.id,
        "filename": file.name,
        "score": score_json(hit.score),
        "text": hit.chunk.text,
        "attributes": dict(file.attributes),
        "document": hit.chunk.document,
        "chunk_id": hit.chunk.id,
    }
