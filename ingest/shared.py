"""The tree of files below a URL: one listing, which the walk then looks into."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ingest.tree import Entry, Look
from rag.errors import ConfigError
from rag.remote import Kept, Place, RemoteFile
from rag.store import ObjectStamp

# Of what stores say of an object, that which is another after every change; the best of them first.
_VERSIONS = ("generation", "ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
_KEPT_BYTES = 2**30  # on the disk, of files that were fetched to be hashed


class SharedTree:
    """What is below a URL, as it was listed when this was made."""

    def __init__(self, url: str) -> None:
        """List it.

        url: as `check_url` gives it. When a single file stands there, `below` is its name, and the root what it is in.

        Raises:
            StorageUnavailable: the store refuses or does not answer.
            ConfigError: nothing stands there. Listing nothing and a place that is not there are the same to a store,
                and one must not cost all documents.
        """
        self.root = url
        self.below = ""
        self._place = Place(url)
        self._kept = Kept(_KEPT_BYTES)
        self._folders: dict[str, dict[str, tuple[Entry, Look]]] = {"": {}}
        try:
            with self._place.using("be listed") as (system, path):
                found: Mapping[str, Mapping[str, Any]] = system.find(path, detail=True)
        except FileNotFoundError:
            found = {}
        self._base = path.rstrip("/")
        if list(found) == [self._base]:
            folder, _, self.below = self._base.rpartition("/")
            self.root, self._base = url.rpartition("/")[0], folder
            self._place = Place(self.root)
        for name, info in found.items():
            self._add(name.removeprefix(self._base).removeprefix("/"), info)
        if not any(self._folders.values()):
            raise ConfigError(
                f"The URL {url!r} cannot be ingested: nothing stands below it. Correct it; a collection whose files "
                "are all gone is deleted by `rag collections delete`."
            )

    def entries(self, folder: str) -> Sequence[Entry]:
        """What stands in a folder, by name."""
        found = self._folders[folder]
        return [found[name][0] for name in sorted(found)]

    def file(self, path: str) -> RemoteFile:
        """A file, whether it is there or not."""
        return RemoteFile(place=self._place, path=f"{self._base}/{path}", size=self._size(path), kept=self._kept)

    def look(self, path: str) -> Look:
        """What is known of a file.

        Raises:
            FileNotFoundError: it is not there.
        """
        found = self._find(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def _add(self, path: str, info: Mapping[str, Any]) -> None:
        if path.endswith("/") or not path or info.get("type") == "directory":
            return  # what some tools put where they want to see a folder
        parts = path.split("/")
        refused = None
        if not all(parts) or {".", ".."} & set(parts):
            # Such keys are allowed, and no two programs agree on what they mean. Nothing is walked for them.
            parts, refused = [path], "its name is no path: rename it"
        folder = ""
        for part in parts[:-1]:
            known = self._folders[folder]
            if part not in known or not known[part][0].is_folder:
                known[part] = (Entry(name=part, is_folder=True), Look(size=0, stamp=None))
            folder += part + "/"
            self._folders.setdefault(folder, {})
        if parts[-1] not in self._folders[folder]:  # of a file and a folder with one name the folder counts
            size = int(info.get("size") or 0)
            self._folders[folder][parts[-1]] = (
                Entry(name=parts[-1], refused=refused),
                Look(size=size, stamp=_stamp(size, info)),
            )

    def _find(self, path: str) -> Look | None:
        folder, slash, name = path.rpartition("/")
        found = self._folders.get(folder + slash, {}).get(name)
        return found[1] if found else None

    def _size(self, path: str) -> int:
        found = self._find(path)
        return found.size if found else 0


def _stamp(size: int, info: Mapping[str, Any]) -> ObjectStamp | None:
    for version in _said(info, _VERSIONS):
        return ObjectStamp(size, str(version), 0)
    for time in _said(info, _TIMES):
        seconds = _seconds(time)
        if seconds is not None:
            return ObjectStamp(size, str(time), round(seconds * 1e9))
    return None


def _said(info: Mapping[str, Any], names: Sequence[str]) -> Iterator[Any]:
    return (info[name] for name in names if info.get(name))


def _seconds(time: object) -> float | None:
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if isinstance(time, str):
        try:
            return _seconds(datetime.fromisoformat(time))
        except ValueError:
            return None
    return float(time) if isinstance(time, int | float) else None
