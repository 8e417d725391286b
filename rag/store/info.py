"""What is known of a collection without opening its index: the manifest beside each generation's files."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag import __version__
from rag.errors import CorpusError
from rag.store.layout import Folder, write_durably
from rag.types import CollectionId, EmbeddingInfo

MANIFEST = "generation.json"
CATALOG = "catalog.db"
_HASHED_AT_OPENING = 256 * 2**20  # bytes; reading more takes longer than a question may wait


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """One collection as of one generation."""

    id: CollectionId
    name: str
    group: str  # the access group that it belongs to
    created: str  # UTC, as 2026-11-24T09:00:00Z
    generation: int  # starts at 1
    documents: int
    chunks: int
    failed: int  # files that the last ingest of their folder could not read
    n_bytes: int  # on the disk
    published_at: int  # Unix seconds, on this machine: a replica's is when it had it
    prefix_version: str  # 16 hex digits; equal when the ordered chunks are
    embedding: EmbeddingInfo


def write_manifest(
    folder: Path,
    *,
    files: Iterable[str],
    number: int,
    documents: int,
    chunks: int,
    prefix_version: str,
    embedding: EmbeddingInfo,
    failed: int = 0,
    failing_since: Mapping[int, str] | None = None,
) -> None:
    """Nothing; `folder` then has a manifest with size and checksum of these files.

    failing_since: when the generations were made that first had a failure of this one; "" for now.
    """
    measured = {name: _measure(folder / name) for name in files}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    manifest = {
        "number": number,
        "created": now,
        "prefixrag": __version__,
        "documents": documents,
        "chunks": chunks,
        "prefix_version": prefix_version,
        "embedding": asdict(embedding),
        "failed": failed,
        "failing_since": {str(first): when or now for first, when in (failing_since or {}).items()},
        "files": {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in measured.items()},
    }
    write_durably(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def read_info(folder: Folder, number: int) -> CollectionInfo:
    """The manifest of generation `number`.

    Raises:
        FileNotFoundError: there is no such generation.
        CorpusError: the manifest cannot be understood.
    """
    description = folder.description()
    file = folder.generation(number) / MANIFEST
    manifest = _parse(file)
    try:
        return CollectionInfo(
            id=folder.id,
            name=description.name,
            group=description.group,
            created=description.created,
            generation=number,
            documents=int(manifest["documents"]),
            chunks=int(manifest["chunks"]),
            failed=int(manifest.get("failed", 0)),  # older versions did not keep them
            n_bytes=sum(int(file["bytes"]) for file in manifest["files"].values()),
            published_at=int(file.stat().st_mtime),
            prefix_version=str(manifest["prefix_version"]),
            embedding=EmbeddingInfo(**manifest["embedding"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged(file) from None


def verify_files(generation: Path) -> None:
    """Nothing, if the files are what was published: of large ones the length, of the others every byte.

    Raises:
        CorpusError: one is missing, cut short or changed.
    """
    try:
        files: Mapping[str, Mapping[str, object]] = _parse(generation / MANIFEST)["files"]
        for name in (CATALOG, *files):
            expected = files[name]
            file = generation / name
            size = file.stat().st_size
            if size != expected["bytes"] or (size <= _HASHED_AT_OPENING and _measure(file)[1] != expected["sha256"]):
                raise damaged(file)
    except FileNotFoundError as error:
        raise damaged(Path(str(error.filename))) from None
    except (KeyError, TypeError):
        raise damaged(generation / MANIFEST) from None


def read_checksums(generation: Path) -> dict[str, str]:
    """The SHA-256 of each file of a generation, as it was published.

    Raises:
        FileNotFoundError: there is no manifest.
        CorpusError: the manifest cannot be understood.
    """
    try:
        return {str(name): str(file["sha256"]) for name, file in _parse(generation / MANIFEST)["files"].items()}
    except (KeyError, TypeError, AttributeError):
        raise damaged(generation / MANIFEST) from None


def read_times(generation: Path) -> dict[int, str]:
    """When the generations were made that first had a failure of this one.

    Raises:
        FileNotFoundError: there is no manifest.
        CorpusError: the manifest cannot be understood.
    """
    try:
        found = _parse(generation / MANIFEST).get("failing_since", {})
        return {int(number): str(created) for number, created in found.items()}
    except (TypeError, ValueError, AttributeError):
        raise damaged(generation / MANIFEST) from None


def sha256_of(file: Path) -> str:
    """The SHA-256 of the file's bytes."""
    return _measure(file)[1]


def damaged(file: Path) -> CorpusError:
    """The error for a file of the index that is missing or is not what was published."""
    what = "is damaged" if file.exists() else "is missing"
    return CorpusError(
        f"A file of the index {what}: {str(file)!r}. "
        "Delete the collection (`rag collections delete`) and run `rag ingest` again."
    )


# Any: JSON from disk, whose values are checked by whoever takes them out.
def _parse(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except ValueError:
        raise damaged(file) from None
    if not isinstance(manifest, dict):
        raise damaged(file)
    return manifest


def _measure(file: Path) -> tuple[int, str]:
    with file.open("rb") as opened:
        return file.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest()
