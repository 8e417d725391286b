"""Files in shared storage, by URL: s3, gs and what else fsspec knows.

Credentials come from where the store's own library looks for them, its environment variables and files, and from
nowhere else: a URL that carries some is refused, since URLs stand in catalogues, summaries and logs.
"""

import io
import re
import shutil
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from rag.errors import ConfigError, RagError, StorageUnavailable

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = re.compile(r"[?&](?:x-amz-|x-goog-|sig|sv=|token|access|aws|key|secret|password|credential)", re.IGNORECASE)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# Listings are never kept: somebody else writes, too. A store that is gone must be given up within a minute.
_OPTIONS: dict[str, dict[str, object]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}}
}


def is_url(path: str) -> bool:
    """Whether it is a URL rather than a path."""
    return _URL.match(path) is not None


def check_url(url: str) -> str:
    """The URL as it is kept: without a "/" at its end.

    Raises:
        ConfigError: it carries credentials, or names no place.
    """
    scheme, _, rest = url.partition("://")
    if "@" in rest.partition("/")[0] or _SECRET.search(url):
        raise ConfigError(
            f"The URL {f'{scheme}://…'!r} carries credentials, which would end up in logs and catalogues. Name the "
            "place alone; put credentials where its library looks for them: AWS_ACCESS_KEY_ID, ~/.aws/credentials."
        )
    if "::" in url or not rest.strip("/"):
        raise ConfigError(f"The URL {url!r} names no place. Write one such as s3://bucket/folder.")
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def local_path(path: str) -> Path | None:
    """The path on this machine that is named, by a `file://` URL or as it is; None: what is named stands elsewhere."""
    if not is_url(path):
        return Path(path)
    parts = urlsplit(path)
    return Path(unquote(parts.path)) if parts.scheme.lower() in {"file", "local"} else None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, or a file, in shared storage. Any thread may use it, and it may be sent to other processes."""

    url: str  # as `check_url` gives it

    def open(self) -> tuple[Any, str]:  # Any: fsspec has no types
        """The file system, and the path in it that the URL names.

        Raises:
            ConfigError: the library for it is not installed, or there is none.
        """
        import fsspec

        scheme = self.url.partition("://")[0]
        try:
            options = _OPTIONS.get("s3" if scheme == "s3a" else scheme, {})
            system, path = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            if scheme in _EXTRAS:
                cure = f"Install it with `pip install 'prefixrag[{_EXTRAS[scheme]}]'`."
            else:
                cure = "Install the library of fsspec for it, or use s3, gs or file."
            raise ConfigError(f"{self.url!r} cannot be opened: {one_line(error)}. {cure}") from None
        return system, str(path)

    @contextmanager
    def using(self, what: str) -> Iterator[tuple[Any, str]]:
        """The same; what goes wrong meanwhile is told in one line.

        what: is done, as in "be listed".

        Raises:
            StorageUnavailable: the store refuses or does not answer. A file that is not there, or is there already,
                remains a FileNotFoundError or FileExistsError.
        """
        try:
            with as_os_errors():
                yield self.open()
        except (FileNotFoundError, FileExistsError):
            raise
        except PermissionError as error:
            raise StorageUnavailable(
                f"{self.url!r} cannot {what}: the store refuses ({one_line(error)}). Check the credentials that its "
                "library finds (for s3: AWS_ACCESS_KEY_ID, AWS_PROFILE or ~/.aws) and what they may do."
            ) from None
        except OSError as error:
            raise StorageUnavailable(
                f"{self.url!r} cannot {what}: {one_line(error)}. Check the network, the endpoint (for s3: "
                "AWS_ENDPOINT_URL) and the credentials, and try again."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file in shared storage, read like a `Path`."""

    place: Place  # that it was found below
    path: str  # in the file system
    size: int = field(compare=False)  # when it was listed
    kept: "Kept" = field(compare=False, repr=False)  # what was fetched of the files beside it

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    def open(self, mode: Literal["rb"]) -> "_Reading":
        """Its bytes; nothing is fetched before they are read."""
        del mode
        return _Reading(self)


class _Reading(io.RawIOBase):
    """Fetches what is read in one request, and once."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The first `size` bytes.

        Raises:
            OSError: they cannot be had.
        """
        file = self._file
        if file.size == 0:  # stores refuse a range of nothing
            return b""
        data = file.kept.take(file.path)
        if data is None:
            system, _ = file.place.open()
            with as_os_errors():
                data = bytes(system.cat_file(file.path, start=0, end=None if size < 0 else size))
            if size < 0 or len(data) < size:  # all of it
                file.kept.keep(file.path, data)
        return data if size < 0 else data[:size]


class Kept:
    """Files that were fetched to be hashed, for when they are read: on the disk, within a limit, each given out once.

    Any thread may call. Sent to another process it is empty.
    """

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of all files; what does not fit is fetched again."""
        self._left = max_bytes
        self._lock = threading.Lock()
        self._files: dict[str, Path] = {}
        self._folder: Path | None = None
        self._n = 0

    def keep(self, path: str, data: bytes) -> None:
        """Nothing; the file is kept, if there is room."""
        with self._lock:
            if len(data) > self._left:
                return
            self._left -= len(data)
            self._n += 1
            with suppress(OSError):  # the disk is full
                if self._folder is None:
                    self._folder = Path(mkdtemp(prefix="rag-"))
                    weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
                file = self._folder / str(self._n)
                file.write_bytes(data)
                self._files[path] = file

    def take(self, path: str) -> bytes | None:
        """The file, which is no longer kept; None: it was not."""
        with self._lock:
            file = self._files.pop(path, None)
            if file is None:
                return None
            data = file.read_bytes()
            file.unlink()
            self._left += len(data)
            return data

    def __reduce__(self) -> tuple[type["Kept"], tuple[int]]:
        return Kept, (0,)


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Errors of the stores' libraries, which have little in common, as OSError."""
    try:
        yield
    except (OSError, RagError):
        raise
    except Exception as error:  # noqa: BLE001 - each library has a tree of its own, and none is imported here
        raise OSError(f"{type(error).__name__}: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """What an error says, in one line without a full stop."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
