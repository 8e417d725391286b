"""Text that arrives in pieces, split at tags."""

from collections.abc import Iterator, Sequence


class TagScanner:
    """Gives text and tags in order. Held back is only what may be the beginning of a tag."""

    def __init__(self, tags: Sequence[str]) -> None:
        """Know the tags; none may be the beginning of another."""
        self._tags = tuple(tags)
        self._held = ""

    def feed(self, text: str) -> Iterator[tuple[str, bool]]:
        """What is certain by now: texts, each with whether it is a tag."""
        rest = self._held + text
        while found := min(((rest.index(tag), tag) for tag in self._tags if tag in rest), default=None):
            start, tag = found
            yield rest[:start], False
            yield tag, True
            rest = rest[start + len(tag) :]
        held = self._n_open(rest)
        self._held = rest[len(rest) - held :]
        yield rest[: len(rest) - held], False

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held

    def _n_open(self, text: str) -> int:
        sizes = (size for tag in self._tags for size in range(1, len(tag)) if text.endswith(tag[:size]))
        return max(sizes, default=0)
