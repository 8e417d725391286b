"""The files of a vector store: those attached by the API and those that `rag ingest` put in, in one list. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.store import Attachment, Cut, FileError, FileStatus, Listed
from rag.types import FileId

_VECTOR_ITEM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a vector store."""

    file_id: FileId
    order: tuple[int, int, str]  # of arrival
    created_at: int  # Unix seconds
    status: FileStatus
    attributes: Mapping[str, str | int | float | bool] | None = None
    cut: Cut | None = None  # None: `rag ingest` cut it
    error: FileError | None = None
    usage_bytes: int = 0  # of the file and its vectors, once it is searchable
    document: Listed | None = None  # that searches find now; None: none yet


def members(
    attachments: Sequence[Attachment], listed: Mapping[FileId, Listed], *, created_at: int, dimensions: int
) -> Iterator[Member]:
    """Every file, in no order.

    attachments: what is known of files by the API; without a document in `listed`, a completed one is one that
    `rag ingest` has removed since. created_at: of the collection, which stands for what has no time of its own.
    """
    known = {each.file_id: each for each in attachments}
    for each in attachments:
        document = listed.get(each.file_id)
        if each.status is FileStatus.REMOVING or (each.status is FileStatus.COMPLETED and document is None):
            continue
        yield Member(
            file_id=each.file_id,
            # A document of `rag ingest` keeps its place when it is given attributes.
            order=(each.created_at, each.n if each.cut else 0, each.file_id),
            created_at=each.created_at,
            status=each.status,
            attributes=_attributes(each, document),
            cut=each.cut,
            error=each.error,
            usage_bytes=_usage(document, dimensions) if each.status is FileStatus.COMPLETED else 0,
            document=document,
        )
    for file_id, document in listed.items():
        if file_id not in known:
            yield Member(
                file_id=file_id,
                order=(created_at, 0, file_id),
                created_at=created_at,
                status=FileStatus.COMPLETED,
                attributes=document.attributes or None,
                usage_bytes=_usage(document, dimensions),
                document=document,
            )


def _attributes(attachment: Attachment, document: Listed | None) -> Mapping[str, str | int | float | bool] | None:
    """What clients gave stands over what a document of `rag ingest` says of itself. An upload has what it was given."""
    if document is None or attachment.cut:
        return attachment.attributes
    return {**document.attributes, **(attachment.attributes or {})} or None


def _usage(document: Listed | None, dimensions: int) -> int:
    return document.size + len(document.seqs) * dimensions * _VECTOR_ITEM_BYTES if document else 0
