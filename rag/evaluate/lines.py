"""Files of one JSON object or one row a line, plain or gzipped, with errors that name the line."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One JSON object of a file."""

    file: Path
    number: int  # of its line, from 1
    fields: dict[str, Any]  # Any: as it was read; the methods check

    def text(self, name: str, *, default: str | None = None) -> str:
        """A field that is text.

        Raises:
            ConfigError: it is missing and has no default, or is no text.
        """
        value = self.fields.get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.wrong(f"{name!r} is {value!r} and not text. Correct the line")
        return value

    def texts(self, name: str) -> list[str]:
        """A field that is a list of texts, or of objects with a `text`; none if it is missing.

        Raises:
            ConfigError: it is something else.
        """
        value = self.fields.get(name) or []
        found = []
        for item in value if isinstance(value, list) else [value]:
            text = item.get("text") if isinstance(item, dict) else item
            if not isinstance(value, list) or not isinstance(text, str):
                raise self.wrong(f"{name!r} is {value!r} and not a list of texts. Correct the line")
            found.append(text)
        return found

    def flag(self, name: str) -> bool | None:
        """A field that is true or false; None if it is missing.

        Raises:
            ConfigError: it is something else.
        """
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(f"{name!r} is {value!r} and neither true nor false. Correct the line")
        return value

    def wrong(self, what: str) -> ConfigError:
        """An error about this line."""
        return ConfigError(f"{str(self.file)!r}, line {self.number}: {what}.")


def find(folder: Path, *names: str) -> Path | None:
    """The first of these files that is there, plain before gzipped."""
    files = (folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
    return next((file for file in files if file.is_file()), None)


def json_rows(file: Path) -> Iterator[Row]:
    """The objects of a file.

    Raises:
        ConfigError: it cannot be read, or a line is no object.
    """
    for number, line in lines_of(file):
        try:
            fields = json.loads(line)
        except ValueError as error:
            fields = error
        row = Row(file=file, number=number, fields=fields if isinstance(fields, dict) else {})
        if not isinstance(fields, dict):
            raise row.wrong(f"{line[:80]!r} is no JSON object. Write one a line")
        yield row


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as opened:
            for number, line in enumerate(opened, start=1):
                if line.strip():
                    yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}. Mend it; it is UTF-8, plain or gzipped.") from None
