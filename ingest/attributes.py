"""Attributes of documents, for filters: from the front matter of Markdown, or from a file beside the document.

    ---                      becomes  year: 2026, tags.handbook: true, tags.en: true,
    year: 2026                        author.name: "Ada", reviewed: "2026-03-01"
    tags: [handbook, en]
    author: {name: Ada}
    reviewed: 2026-03-01
    ---

Values are texts, numbers, true and false, as filters compare them. Dates become texts that sort by time, an entry of
a list becomes an attribute that is true, and what is nested gets a dotted name.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import ClassVar

import yaml
from yaml.events import AliasEvent

Scalar = str | int | float | bool


MAX_BYTES = 64 * 1024
_MAX_ATTRIBUTES = 64
_NAME_CHARS = 64  # OpenAI's limits
_VALUE_CHARS = 512
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?\r?\n)?(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", re.DOTALL)


class NoMapping(ValueError):
    """It is YAML, but names nothing."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # it ships no types
    """Without aliases: a few lines of them are billions of values. Words such as `no` and `on` are texts."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, shape) for tag, shape in shapes if first in "tTfF" or tag != "tag:yaml.org,2002:bool"]
        for first, shapes in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next value."""
        if self.check_event(AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def read_attributes(text: str) -> dict[str, Scalar]:
    """The attributes that a YAML mapping names. JSON is YAML too.

    Too many, too long ones, and values of other kinds are left out.

    Raises:
        ValueError: it is no YAML mapping; the message says what is wrong.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} characters")
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - made from the safe one
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"it is no YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: a date that does not exist
        raise ValueError(f"it is no YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, Mapping):
        raise NoMapping("it is no YAML mapping, as `name: value`")
    pairs = ((name, value) for name, value in _flat("", found) if len(name) <= _NAME_CHARS)
    kept = [(name, value) for name, value in pairs if not (isinstance(value, str) and len(value) > _VALUE_CHARS)]
    return dict(kept[:_MAX_ATTRIBUTES])


def front_matter(text: str) -> tuple[dict[str, Scalar], int]:
    """The attributes that stand at the front of a Markdown text, and where the text behind them starts.

    Front matter that is no YAML names none. What stands between two rules and is something else is text.
    """
    found = _FRONT_MATTER.match(text[: MAX_BYTES + 16])
    if not found:
        return {}, 0
    inside = found[1] or ""
    try:
        return read_attributes(inside) if inside.strip() else {}, found.end()
    except NoMapping:
        return {}, 0
    except ValueError:
        return {}, found.end()


def _flat(name: str, value: object) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, str | int | float) and f"{each}".strip():
                yield f"{name}.{each}", True
    elif isinstance(value, date | datetime):
        yield name, value.isoformat()
    elif isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        yield name, value
