"""A collection from the tar file that `write_backup` made."""

import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import ConfigError, CorpusError
from rag.store.backup import FORMAT
from rag.store.carry import Carried, read_carried
from rag.store.files import safe_name
from rag.store.layout import Description, Folder
from rag.store.rules import read_rules
from rag.types import CollectionId, FileId

_MEMBER = re.compile(
    r"(?:backup|uploads|checksums)\.json"
    r"|generation/(?P<part>[A-Za-z0-9][A-Za-z0-9._-]{0,99})"
    r"|files/(?P<id>file-\w{1,64})/(?P<name>[^/]+)",
    re.ASCII,
)
_ID = re.compile(r"vs_\w{1,64}", re.ASCII)
_JSON_BYTES = 256 * 2**20
_BLOCK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A backup that has been read and found whole."""

    id: CollectionId
    description: Description
    generation: int
    carried: Carried


@dataclass(slots=True)
class _Read:
    documents: dict[str, Any] = field(default_factory=dict)  # Any: JSON, checked when it is taken out
    checksums: dict[str, str] = field(default_factory=dict)


def unpack(file: Path, folder: Folder, uploads: Path) -> Unpacked:
    """What the backup is of; the files of its generation lie in `folder`, and uploaded ones as `<id>/<name>` below.

    folder: a new one, of which nobody knows yet. uploads: where uploaded files are put; it need not exist.

    Raises:
        ConfigError: it is no backup, of a newer version, cut short or changed.
        OSError: the disk is full.
    """
    read = _Read()
    parts = folder.path / "unpacked"
    try:
        with tarfile.open(file, "r|") as tar:
            for member in tar:
                _take(tar, member, read, parts, uploads)
    except (tarfile.TarError, EOFError) as error:
        raise _no_backup(file, f"it cannot be read to its end: {error}") from None
    except ValueError as error:
        raise _no_backup(file, str(error)) from None
    if read.documents.get("checksums.json") is None:
        raise _no_backup(file, "it has no checksums, so it was cut short or is another tar file")
    expected = read.documents["checksums.json"]
    if expected != {name: found for name, found in read.checksums.items() if name != "checksums.json"}:
        raise _no_backup(file, "a file in it is missing or is not what was written")
    try:
        unpacked = _understand(read.documents)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_backup(file, f"what it says of itself cannot be understood ({error})") from None
    parts.rename(folder.generation(unpacked.generation))
    return unpacked


def remove_unpacked(folder: Folder, uploads: Path) -> None:
    """Nothing; what was unpacked is gone."""
    shutil.rmtree(folder.path, ignore_errors=True)
    shutil.rmtree(uploads, ignore_errors=True)


def keep_uploads(carried: Carried, unpacked: Path, place: Callable[[FileId], Path]) -> None:
    """Nothing; uploaded files stand where they belong. One that is there already has to be the same.

    place: the folder of a file.

    Raises:
        CorpusError: a file is not in the backup, or another one has its id here.
        OSError: the disk is full.
    """
    there = {folder.name for folder in unpacked.iterdir()} if unpacked.is_dir() else set()
    for row in carried.files:
        file_id = FileId(str(row["id"]))
        if file_id not in there:
            raise CorpusError(f"The backup lacks the uploaded file {file_id!r}. Restore another one.")
        folder = place(file_id)
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / file_id).rename(folder)
        elif _content(folder) != _content(unpacked / file_id):
            raise CorpusError(
                f"The uploaded file {file_id!r} is here already, with other bytes. Restore into another --data-dir."
            )


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, read: _Read, parts: Path, uploads: Path) -> None:
    """Nothing; the member is read or written.

    Raises:
        ValueError: no backup of ours has such a member.
    """
    found = _MEMBER.fullmatch(member.name)
    source = tar.extractfile(member) if found and member.isreg() else None
    if not found or source is None or member.name in read.checksums:
        raise ValueError(f"it has a member {member.name[:100]!r}, which no backup has")
    digest = hashlib.sha256()
    if found["part"] or found["id"]:
        if found["id"] and safe_name(found["name"]) != found["name"]:
            raise ValueError(f"it has a file named {found['name'][:100]!r}, which none is")
        target = parts / found["part"] if found["part"] else uploads / found["id"] / found["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while block := source.read(_BLOCK):
                digest.update(block)
                out.write(block)
    else:
        if member.size > _JSON_BYTES:
            raise ValueError(f"its {member.name} has {member.size} bytes")
        data = source.read()
        digest.update(data)
        read.documents[member.name] = json.loads(data)
        if member.name == "backup.json" and read.documents[member.name].get("format", 0) > FORMAT:
            raise ValueError("a newer version wrote it. Upgrade prefixrag")
    read.checksums[member.name] = digest.hexdigest()


def _understand(documents: Mapping[str, Any]) -> Unpacked:  # Any: JSON, checked here
    described = documents["backup.json"]
    if not _ID.fullmatch(str(described["id"])):
        raise ValueError(f"no collection has the id {described['id']!r}")
    return Unpacked(
        id=CollectionId(str(described["id"])),
        description=Description(
            name=str(described["name"]),
            group=str(described["group"]),
            created=str(described["created"]),
            rules=read_rules(described["rules"]),
        ),
        generation=int(described["generation"]),
        carried=read_carried(documents["uploads.json"]),
    )


def _content(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for file in sorted(folder.iterdir()):
        with file.open("rb") as opened:
            found.append((file.name, hashlib.file_digest(opened, "sha256").digest()))
    return found


def _no_backup(file: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The file {str(file)!r} cannot be restored: {why}. Name a file that `rag collections backup` made."
    )
