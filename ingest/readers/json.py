"""JSON, a line for each value behind its path, so that every line can be understood alone."""

import json
from collections.abc import Iterator

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.decode import decode

_MOST_DEPTH = 100
_TOO_DEEP = f"damaged: nested more than {_MOST_DEPTH} deep"


class JsonReader:
    """One JSON value. What is no JSON after all, such as JSON with comments, is read as text."""

    def read(self, data: bytes) -> Extracted:
        """The values; the headings are those of the outermost object or array."""
        text = decode(data)
        try:
            value = _loaded(text)
        except ValueError:
            return Extracted(text=text)
        builder = Builder()
        for name, each in _entries(value):
            builder.section(heading=name)
            _add(builder, name, each)
        return builder.extracted()


class JsonLinesReader:
    """A JSON value a line. Lines that are none are read as they are."""

    def read(self, data: bytes) -> Extracted:
        """The values; the headings are the numbers of the lines."""
        builder = Builder()
        for number, line in enumerate(decode(data).split("\n"), 1):
            if not line.strip():
                continue
            builder.section(heading=f"record {number}")
            try:
                _add(builder, "", _loaded(line))
            except ValueError:
                builder.block(line)
        return builder.extracted()


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ReadFailure(_TOO_DEEP) from None


def _entries(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(number), each) for number, each in enumerate(value, 1))
    else:
        yield "", value


def _add(builder: Builder, name: str, value: object) -> None:
    gap = "\n\n"
    for line in _lines(name, value, 0):
        builder.block(line, gap=gap)
        gap = "\n"


def _lines(path: str, value: object, depth: int) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        raise ReadFailure(_TOO_DEEP)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _lines(f"{path}.{key}" if path else key, each, depth + 1)
    elif isinstance(value, list):
        if all(isinstance(each, str | int | float) for each in value):
            yield from _lines(path, ", ".join(map(_shown, value)), depth + 1)
            return
        for number, each in enumerate(value, 1):
            yield from _lines(f"{path}.{number}" if path else str(number), each, depth + 1)
    elif value not in (None, ""):
        yield f"{path}: {_shown(value)}" if path else _shown(value)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
