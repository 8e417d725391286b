"""The files of a vector store: those attached by the API and those that `rag ingest` put in, in one list. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.store import Attachment, Cut, Failure, FileError, FileStatus, Listed
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
    failure: Failure | None = None  # of its folder's last ingest; with a document: searches find an earlier state


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


def with_failures(found: Iterable[Member], failures: Iterable[Failure]) -> Iterator[Member]:
    """The files, those that `rag ingest` could not read with the cause, and behind them those that it never could."""
    failed = {each.file_id: each for each in failures}
    for member in found:
        failure = failed.pop(member.file_id, None)
        yield replace(member, failure=failure, error=_error(failure, is_known=True)) if failure else member
    for file_id, failure in failed.items():
        since = failure.since or 0
        yield Member(
            file_id=file_id,
            order=(since, 0, file_id),
            created_at=since,
            status=FileStatus.FAILED,
            error=_error(failure, is_known=False),
            failure=failure,
        )


def _error(failure: Failure, *, is_known: bool) -> FileError:
    message = f"The file could not be read: {failure.reason}."
    if is_known:
        message += " Searches find what it was before."
    return FileError(code="invalid_file", message=message)


def _attributes(attachment: Attachment, document: Listed | None) -> Mapping[str, str | int | float | bool] | None:
    """What clients gave stands over what a document of `rag ingest` says of itself. An upload has what it was given."""
    if document is None or attachment.cut:
        return attachment.attributes
    return {**document.attributes, **(attachment.attributes or {})} or None


def _usage(document: Listed | None, dimensions: int) -> int:
    return document.size + len(document.seqs) * dimensions * _VECTOR_ITEM_BYTES if document else 0
