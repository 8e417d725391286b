"""Uploaded files that the service could not index."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.types import CollectionId


def failed_uploads(data_dir: Path, collection: "CollectionId") -> list[tuple[str, str]]:
    """Name and reason of each, in the order of arrival.

    Raises:
        CorpusError: what is known of uploads cannot be read.
    """
    from rag.store import FileStatus, Shelf

    if not (data_dir / "files.db").exists():  # and looking does not make it
        return []
    shelf = Shelf(data_dir)
    try:
        failed = shelf.attachments.with_status(collection, FileStatus.FAILED)
        stored = {file.id: file.filename for file in shelf.files.files()} if failed else {}
        return [(stored.get(each.file_id, each.file_id), each.error.message if each.error else "") for each in failed]
    finally:
        shelf.close()
