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
# The character sets that files are really in. Of two that read a text equally well the one that gives fewer kinds of
# nonsense wins; where that is no answer either, the file is refused: nonsense must not be indexed.
_MULTIBYTE = ("big5", "gb18030", "cp932", "euc_jp", "cp949", "iso2022_jp")
_SINGLE_BYTE = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "cp874",
    "koi8_r",
)
_WESTERN = "cp1252"
_SAMPLE_BYTES = 32 * 1024
_FEW = 20  # so many good characters beyond ASCII for each broken one make a text UTF-8 all the same


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
        return _decode_unnamed(data, error.start)


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


def _decode_unnamed(data: bytes, bad: int) -> str:
    refused = ReadFailure(
        f"not UTF-8 at byte {bad}, and its character set is not known: convert it to UTF-8, "
        "for example `iconv -f CHARSET -t UTF-8`"
    )
    if _CONTROL.search(data):
        raise refused
    nearly = data.decode("utf-8", "replace")
    n_broken = nearly.count("\N{REPLACEMENT CHARACTER}")
    if len(nearly) - len(nearly.encode("ascii", "ignore")) > n_broken * _FEW:
        return nearly
    for name in _likely(data):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise refused


def _likely(data: bytes) -> list[str]:
    """The character sets that the text may be in, the likeliest first; empty if two are equally likely."""
    from charset_normalizer import from_bytes

    beyond_ascii = [line for line in data[: 2**20].splitlines() if not line.isascii()]
    sample = b"\n".join(beyond_ascii or [data[-_SAMPLE_BYTES:]])[:_SAMPLE_BYTES]
    found = {
        each.encoding: each
        for each in from_bytes(sample, cp_isolation=[*_SINGLE_BYTE, *_MULTIBYTE], enable_fallback=False)
    }
    ranked = sorted(found, key=lambda name: (found[name].chaos, -found[name].coherence, name not in _MULTIBYTE))
    if not ranked:
        return []
    best = found[ranked[0]]
    if _WESTERN in best.could_be_from_charset:
        return [_WESTERN, *ranked]
    western = found.get(_WESTERN)
    if western and western.chaos <= best.chaos and western.coherence >= best.coherence:
        return [_WESTERN, *ranked]
    if len(ranked) > 1:
        second = found[ranked[1]]
        is_tie = (best.chaos, best.coherence) == (second.chaos, second.coherence)
        if is_tie and (ranked[0] in _MULTIBYTE) == (ranked[1] in _MULTIBYTE):
            return []
    return ranked
