"""A release: one state of a collection in shared storage, which never changes. Pure.

    releases/<id>.<number>.json            a release: what belongs to it, with sizes and checksums
    releases/<id>.deleted                  the collection is gone for everybody
    data/<id>/<number>-<8 hex>/<name>      a file that a release names

Files come first and the release last, so what has a release is whole. Releases of a collection are numbered from 1.
Files lie in a folder of each push's own: two pushes at once cannot mix.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rag import __version__
from rag.errors import StorageUnavailable
from rag.store import MANIFEST, TOPICS, Description, read_rules
from rag.types import CollectionId

FORMAT = 1
MAX_BYTES = 2**24
_NAME = re.compile(r"releases/(?P<id>vs_\w{1,64})\.(?:(?P<number>\d{12})\.json|(?P<deleted>deleted))", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_KEY = re.compile(r"data/(?P<id>vs_\w{1,64})/(?P<number>\d{12})-[0-9a-f]{8}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of a release."""

    key: str  # below the URL
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One state of a collection."""

    id: CollectionId
    number: int
    description: Description
    generation: int  # on the machine that pushed it
    files: Mapping[str, Part]  # of the generation, by name
    topics: Mapping[str, Part]  # frozen, by name
    # Names of topics that were frozen for this very generation: the first machine that served it chose them, and
    # nobody chooses again. Others were frozen for one before it.
    settled: frozenset[str] = frozenset()

    @property
    def manifest(self) -> str:
        """The checksum of the generation's manifest, which has the checksums of its other files."""
        return self.files[MANIFEST].sha256

    @property
    def keys(self) -> set[str]:
        """Every file that it needs."""
        return {part.key for part in (*self.files.values(), *self.topics.values())}

    def as_bytes(self) -> bytes:
        """As it is stored."""
        description = self.description
        found = {
            "format": FORMAT,
            "prefixrag": __version__,
            "id": self.id,
            "number": self.number,
            "name": description.name,
            "group": description.group,
            "created": description.created,
            "rules": description.rules.as_dict(),
            "generation": self.generation,
            "files": {name: asdict(part) for name, part in self.files.items()},
            "topics": {name: asdict(part) for name, part in self.topics.items()},
            "settled": sorted(self.settled),
        }
        return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()


def read_release(data: bytes, collection_id: CollectionId, number: int) -> Release:
    """The release that was stored under this name. Who can write to the storage may have written anything.

    Raises:
        StorageUnavailable: it is none, or of a newer version.
    """
    try:
        found = json.loads(data)
        if int(found["format"]) > FORMAT:
            raise _broken(collection_id, number, f"prefixrag {found['prefixrag']} wrote it. Upgrade this one")
        release = Release(
            id=CollectionId(str(found["id"])),
            number=int(found["number"]),
            description=Description(
                name=str(found["name"]),
                group=str(found["group"]),
                created=str(found["created"]),
                rules=read_rules(found["rules"]),
            ),
            generation=int(found["generation"]),
            files={name: _part(name, _FILE, part) for name, part in found["files"].items()},
            topics={name: _part(name, TOPICS, part) for name, part in found["topics"].items()},
            settled=frozenset(map(str, found["settled"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(collection_id, number, f"it cannot be understood ({type(error).__name__}: {error})") from None
    if (release.id, release.number) != (collection_id, number) or MANIFEST not in release.files:
        raise _broken(collection_id, number, "it is not what its name says")
    return release


def release_name(collection_id: CollectionId, number: int) -> str:
    """Where a release stands below the URL."""
    return f"releases/{collection_id}.{number:012}.json"


def deleted_name(collection_id: CollectionId) -> str:
    """Where it stands below the URL that a collection is gone."""
    return f"releases/{collection_id}.deleted"


def read_name(name: str) -> tuple[CollectionId, int | None] | None:
    """Collection and number that a name is of; number None: the collection is gone. None: the name is none of ours."""
    found = _NAME.fullmatch(name)
    if not found:
        return None
    return CollectionId(found["id"]), None if found["deleted"] else int(found["number"])


def number_of_key(key: str) -> int | None:
    """The number of the push that a file is of; None: it is none of ours."""
    found = _KEY.fullmatch(key)
    return int(found["number"]) if found else None


def _part(name: str, pattern: "re.Pattern[str]", found: Mapping[str, Any]) -> Part:
    part = Part(key=str(found["key"]), n_bytes=int(found["n_bytes"]), sha256=str(found["sha256"]))
    if not (pattern.fullmatch(name) and _KEY.fullmatch(part.key) and _SHA256.fullmatch(part.sha256)):
        raise ValueError(f"it names a file {name[:100]!r} at {part.key[:200]!r}")
    return part


def _broken(collection_id: CollectionId, number: int, why: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"Release {number} of the collection {collection_id!r} in shared storage cannot be used: {why}. What is here "
        "stays; push again from the machine that ingests, or delete the object."
    )
