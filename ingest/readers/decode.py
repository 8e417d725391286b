"""From bytes to text without guessing wrong: what cannot be decoded for certain is refused."""

import codecs
import re

from ingest.readers.base import ReadFailure, Skip

_MARKS = (  # the longer marks first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Western European text is mostly ASCII letters with a few accents. Where more bytes than this share are beyond
# ASCII it is some other character set, and reading it as cp1252 would index nonsense.
_WESTERN_SHARE = 0.35


def decode(data: bytes, declared: str | None = None) -> str:
    """The text, a byte-order mark dropped and nothing else changed.

    declared: a character set that the file itself names; it is tried after UTF-8 marks and before UTF-8.

    Raises:
        Skip: the bytes are no text.
        ReadFailure: they are text in a character set that is not known.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, encoding)
    if b"\0" in data:
        raise Skip("binary")
    if declared:
        text = _decode_declared(data, declared)
        if text is not None:
            return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_western(data, error.start)


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file look like no text in any usual character set."""
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return False
    return b"\0" in head or len(_CONTROL.findall(head)) * 20 > len(head)


def _decode_marked(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ReadFailure(
            f"marked as {name} but not {name} at byte {error.start}: it is cut short or damaged"
        ) from None


def _decode_declared(data: bytes, declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
        if name in ("iso8859-1", "ascii"):  # what browsers do: files that say Latin-1 are Windows-1252
            name = "cp1252"
        return data.decode(name)
    except (LookupError, UnicodeDecodeError):  # not a text encoding, unknown, or wrongly declared
        return None


def _decode_western(data: bytes, bad: int) -> str:
    refused = ReadFailure(
        f"not UTF-8 at byte {bad}, and its character set is not known: convert it to UTF-8, "
        "for example `iconv -f CHARSET -t UTF-8`"
    )
    beyond_ascii = len(data.translate(None, bytes(range(0x80))))
    if _CONTROL.search(data) or beyond_ascii > _WESTERN_SHARE * len(data):
        raise refused
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        raise refused from None
