"""Office files and books: zip archives of parts. Read within limits, and nothing that a part points to outside."""

import posixpath
import zipfile
import zlib
from io import BytesIO
from lzma import LZMAError

from ingest.readers.base import ReadFailure
from ingest.readers.xmlparts import attribute, children

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MOST_PARTS = 50_000
_PART_BYTES = 512 * 2**20
_ALL_BYTES = 2**30


class Package:
    """The parts of one file."""

    def __init__(self, data: bytes) -> None:
        """Only the directory is read.

        Raises:
            ReadFailure: it is encrypted, damaged, or unpacks to too much.
        """
        if data.startswith(_OLE):
            if _ENCRYPTED in data:
                raise ReadFailure("encrypted: it opens only with a password; save a copy without one")
            raise ReadFailure("an old binary Office file under a new name: save it in today's format")
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            raise ReadFailure("damaged: its zip directory cannot be read; it may be cut short") from None
        infos = self._zip.infolist()
        if len(infos) > _MOST_PARTS or sum(info.file_size for info in infos) > _ALL_BYTES:
            raise ReadFailure(
                f"over the limit: it has more than {_MOST_PARTS} parts or unpacks to over {_ALL_BYTES} bytes"
            )
        self._names = {info.filename.replace("\\", "/").lstrip("/").lower(): info for info in infos}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def names(self, folder: str) -> list[str]:
        """The parts below a folder, in the order of the file, in lower case."""
        return [name for name in self._names if name.startswith(folder)]

    def read(self, name: str) -> bytes:
        """The part.

        Raises:
            ReadFailure: it is missing, damaged or too large.
        """
        info = self._names.get(name.lower())
        if info is None:
            raise ReadFailure(f"damaged: its part {name!r} is missing")
        if info.flag_bits & 1:
            raise ReadFailure("encrypted: it opens only with a password; save a copy without one")
        if info.file_size > _PART_BYTES:
            raise ReadFailure(f"over the limit: its part {name!r} unpacks to more than {_PART_BYTES} bytes")
        try:
            with self._zip.open(info) as part:
                return part.read(info.file_size)
        except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, OSError, ValueError):
            raise ReadFailure(f"damaged: its part {name!r} cannot be unpacked") from None

    def find(self, name: str) -> bytes | None:
        """The part; None if it is missing or cannot be had: some parts a text can do without."""
        try:
            return self.read(name)
        except ReadFailure:
            return None

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """What an OOXML part refers to inside the file: by id, the last word of the kind, and the part's name."""
        folder, name = posixpath.split(part)
        data = self.find(f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels")
        found = {}
        for each in children(data, "Relationships") if data else ():
            target, kind = each.get("Target", ""), each.get("Type", "")
            if each.get("TargetMode") != "External" and target:
                path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                found[attribute(each, "Id") or ""] = (kind.rpartition("/")[2], path)
        return found
