"""Vector stores, their files and batches as OpenAI's clients read them."""

from collections.abc import Mapping, Sequence

from rag.api.wire import Json
from rag.library import Member, StoreView, count, created_at
from rag.store import Batch, Cut, FileStatus


def store_json(view: StoreView) -> Json:
    """A vector store."""
    facts, created = view.facts, created_at(view.info)
    days = facts.expires_after_days
    return {
        "id": view.info.id,
        "object": "vector_store",
        "created_at": created,
        "name": view.name,
        "description": facts.description,
        "usage_bytes": view.usage_bytes,
        "file_counts": counts_json(view.counts),
        "status": view.status,
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": facts.expires_at(),
        "last_active_at": facts.last_active_at or created,
        "metadata": dict(facts.metadata),
    }


def member_json(member: Member, store_id: str) -> Json:
    """A file of a vector store."""
    error = member.error
    return {
        "id": member.file_id,
        "object": "vector_store.file",
        "usage_bytes": member.usage_bytes,
        "created_at": member.created_at,
        "vector_store_id": store_id,
        "status": member.status.value,
        "last_error": None if error is None else {"code": error.code, "message": error.message},
        "chunking_strategy": _cut_json(member.cut),
        "attributes": dict(member.attributes or {}),
    }


def batch_json(batch: Batch, statuses: Sequence[FileStatus]) -> Json:
    """A batch of files."""
    counts = count(statuses)
    is_working = counts[FileStatus.IN_PROGRESS] > 0
    status = "in_progress" if is_working else "cancelled" if batch.is_cancelled else "completed"
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": batch.created_at,
        "vector_store_id": batch.store,
        "status": status,
        "file_counts": counts_json(counts),
    }


def counts_json(counts: Mapping[FileStatus, int]) -> Json:
    """How many files are how far."""
    return {**{status.value: number for status, number in counts.items()}, "total": sum(counts.values())}


def _cut_json(cut: Cut | None) -> Json:
    if cut is None:
        return {"type": "other"}
    sizes = {"max_chunk_size_tokens": cut.chunk_tokens, "chunk_overlap_tokens": cut.overlap_tokens}
    return {"type": "static", "static": sizes}
