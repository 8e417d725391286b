"""Characters as readers see them: what may not be cut in two."""

import functools
from collections.abc import Iterator

import regex

_CLUSTER = regex.compile(r"\X")


def clusters(text: str) -> Iterator[str]:
    """The text, grapheme cluster by grapheme cluster: a letter with its accents, a flag, a family of emoji."""
    return iter(text) if _is_simple(text) else (found[0] for found in _CLUSTER.finditer(text))


@functools.lru_cache(maxsize=64)
def inner_offsets(text: str) -> frozenset[int]:
    """The offsets where a cut would go through a grapheme cluster."""
    if _is_simple(text):
        return frozenset()
    return frozenset(at for found in _CLUSTER.finditer(text) for at in range(found.start() + 1, found.end()))


def _is_simple(text: str) -> bool:
    return text.isascii() and "\r" not in text  # a line break of two characters is one cluster
