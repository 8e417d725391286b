"""Archives: the files inside, one at a time, in memory, and never more of them than the limits allow."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO, RawIOBase
from typing import IO

from ingest.readers.base import Member, ReadFailure
from ingest.readers.container import Names
from ingest.readers.limits import Budget

_MOST_RATIO = 200  # no documents shrink to less than this, bombs to a thousandth
_RATIO_FROM_BYTES = 2**20
_BROKEN = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)
_ENCRYPTED = "encrypted: it opens only with a password; unpack it first"
_NOT_A_FILE = "a link or a device in the archive"


class ZipReader:
    """ZIP."""

    def members(self, data: bytes, budget: Budget) -> Iterator[Member]:
        """The files in the order of the archive's directory."""
        try:
            archive = zipfile.ZipFile(BytesIO(data))
        except _BROKEN:
            raise ReadFailure("damaged: its zip directory cannot be read; it may be cut short") from None
        names = Names()
        for info in archive.infolist():
            if info.is_dir():
                continue
            name, skipped = names.take(_zip_name(info))
            if skipped or info.external_attr >> 28 == 0xA:  # a link, of a Unix archiver
                yield Member(name=name, skipped=skipped or _NOT_A_FILE)
            else:
                yield self._member(archive, info, name, budget)

    def _member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget) -> Member:
        if info.flag_bits & 1:
            return Member(name=name, failed=_ENCRYPTED)
        is_bomb = info.file_size > _RATIO_FROM_BYTES and info.file_size > info.compress_size * _MOST_RATIO
        if is_bomb or info.file_size > budget.member_bytes:
            return Member(name=name, failed=_too_large(info.file_size, info.compress_size))
        budget.count_bytes(info.file_size)
        try:
            with archive.open(info) as opened:
                return Member(name=name, data=opened.read(info.file_size))
        except (*_BROKEN, NotImplementedError, RuntimeError):
            return Member(name=name, failed="damaged: it cannot be unpacked")


class TarReader:
    """TAR, plain or compressed by gzip, bzip2 or xz."""

    def members(self, data: bytes, budget: Budget) -> Iterator[Member]:
        """The files in the order of the archive. Every byte that is unpacked counts, of skipped files too."""
        names = Names()
        try:
            counted = BufferedReader(_Counted(_unpacked(data), budget))  # type: ignore[type-var]
            with tarfile.open(fileobj=counted, mode="r|") as archive:
                for info in archive:
                    if info.isdir():
                        continue
                    name, skipped = names.take(info.name)
                    if skipped or not info.isreg():
                        yield Member(name=name, skipped=skipped or _NOT_A_FILE)
                    elif info.size > budget.member_bytes:
                        yield Member(name=name, failed=_too_large(info.size, None))
                    else:
                        opened = archive.extractfile(info)
                        yield Member(name=name, data=opened.read() if opened else b"")
                    archive.members.clear()  # type: ignore[attr-defined]  # it keeps all that it has passed
        except _BROKEN as error:
            raise ReadFailure(f"damaged: the archive cannot be unpacked ({type(error).__name__})") from None


class _Counted(RawIOBase):
    """A stream whose bytes count as unpacked."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._budget.count_bytes(len(data))
        buffer[: len(data)] = data
        return len(data)


def _unpacked(data: bytes) -> IO[bytes]:
    stream = BytesIO(data)
    if data.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if data.startswith(b"BZh"):
        return bz2.BZ2File(stream)
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(stream)
    return stream


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name; old archivers write UTF-8 without saying so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _too_large(size: int, packed: int | None) -> str:
    return f"over the limit: it unpacks to {size} bytes" + (f" from {packed}" if packed is not None else "")
