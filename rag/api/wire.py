"""Answers as OpenAI's clients read them, with our `rag` extension."""

from rag.api.sources.link import SourceLinks
from rag.ask import Report, Reuse
from rag.types import CallDelta, Citation, Fault, Hit, Shown, ToolCall, Usage

Json = dict[str, object]


def deleted_json(object_id: str, kind: str) -> Json:
    """That an object is gone."""
    return {"id": object_id, "object": kind, "deleted": True}


def usage_json(usage: Usage) -> Json:
    """Token counts. `cached_tokens` is what the engine reported: 0 is measured, null unknown."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def annotation_json(citation: Citation, links: SourceLinks) -> Json:
    """A citation as the one kind of annotation that chat completions have; its span is the marker's."""
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.marker_start,
            "end_index": citation.marker_end,
            "title": citation.chunk.title,
            "url": links.url(citation),
            "chunk_id": citation.chunk.id,
            "document": citation.chunk.document,
            "quote": citation.quote,
            "source_start": citation.source_start,
            "source_end": citation.source_end,
            "status": citation.status.value,
            "problem": citation.problem.value if citation.problem else None,
            "found_by": "marker" if citation.marker else "alignment",
        },
    }


def call_json(call: ToolCall) -> Json:
    """A call of a whole answer."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def call_delta_json(delta: CallDelta) -> Json:
    """A piece of a call. Only the first one has id and name."""
    if delta.id is None:
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    function = {"name": delta.name, "arguments": delta.arguments}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": function}


def score_json(score: float) -> float:
    """A score as OpenAI's scores are, which have no negative half."""
    return round(min(max(score, 0.0), 1.0), 6)


def rag_json(report: Report, links: SourceLinks, *, context: bool) -> Json:
    """The `rag` object of an answer. Cited and retrieved are never mixed."""
    placed = {shown.chunk.seq: shown.placed.value for shown in report.prompt.shown}
    body: Json = {
        "collection": report.collection,
        "generation": report.generation,
        "layout": report.prompt.layout,
        "no_answer": all(choice.no_answer for choice in report.choices),
        "citations": [
            _citation_json(citation, index, links)
            for index, choice in enumerate(report.choices)
            for citation in choice.citations
        ],
        "retrieved": [_hit_json(hit, placed.get(hit.chunk.seq, "none")) for hit in report.hits],
        "reuse": _reuse_json(report.reuse),
        "timings_ms": {name: round(value, 3) for name, value in report.timings_ms.items()},
        "problems": [
            _fault_json(fault, index) for index, choice in enumerate(report.choices) for fault in choice.faults
        ],
    }
    if n_quotes_dropped := sum(choice.n_quotes_dropped for choice in report.choices):
        body["quotes_dropped"] = n_quotes_dropped
    if report.n_turns_dropped:
        body["turns_dropped"] = report.n_turns_dropped
    if context:
        body["context"] = [_shown_json(shown) for shown in report.prompt.shown]
    return body


def _citation_json(citation: Citation, choice: int, links: SourceLinks) -> Json:
    return {
        "choice": choice,
        "marker": citation.marker,
        "start": citation.start,
        "end": citation.end,
        "marker_start": citation.marker_start,
        "marker_end": citation.marker_end,
        "chunk_id": citation.chunk.id,
        "document": citation.chunk.document,
        "title": citation.chunk.title,
        "anchor": citation.anchor.as_dict() if citation.anchor else None,
        "source_start": citation.source_start,
        "source_end": citation.source_end,
        "quote": citation.quote,
        "status": citation.status.value,
        "problem": citation.problem.value if citation.problem else None,
        "found_by": "marker" if citation.marker else "alignment",
        "url": links.url(citation),
    }


def _fault_json(fault: Fault, choice: int) -> Json:
    return {
        "problem": fault.problem.value,
        "choice": choice,
        "marker": fault.marker,
        "start": fault.start,
        "end": fault.end,
        "chunk_id": fault.chunk.id if fault.chunk else None,
    }


def _hit_json(hit: Hit, placed: str) -> Json:
    return {
        "chunk_id": hit.chunk.id,
        "document": hit.chunk.document,
        "score": round(hit.score, 6),
        "rank": hit.rank,
        "placed": placed,
    }


def _reuse_json(reuse: Reuse) -> Json:
    return {
        "prompt_tokens": reuse.prompt_tokens,
        "cached_tokens": reuse.cached_tokens,
        "predicted_cached_tokens": reuse.predicted_cached_tokens,
        "segments": [
            {"name": segment.name, "tokens": segment.n_tokens, "cached": cached} for segment, cached in reuse.segments
        ],
        "miss_reason": reuse.miss_reason,
        "replaced_hits": reuse.n_replaced,
    }


def _shown_json(shown: Shown) -> Json:
    return {
        "marker": f"[{shown.number}]",
        "chunk_id": shown.chunk.id,
        "document": shown.chunk.document,
        "placed": shown.placed.value,
        "tokens": shown.n_tokens,
    }
