"""A document around a passage, as far as a statement about the passage may look."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rag.types import Anchor, Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`text` begins at `start` of the document. `chunks`: those that it holds, of which a span gets its anchor."""

    text: str
    start: int
    chunks: tuple[Chunk, ...]

    def anchor(self, offset: int) -> Anchor:
        """Where a reader finds what stands at `offset` of the document."""
        before = [chunk for chunk in self.chunks if chunk.start <= offset]
        chunk = max(before or self.chunks, key=lambda chunk: chunk.start)
        if chunk.anchor.line is None or offset < chunk.start:
            return chunk.anchor
        n_lines = self.text.count("\n", chunk.start - self.start, offset - self.start)
        return replace(chunk.anchor, line=chunk.anchor.line + n_lines)


Around = Callable[[Chunk], Surroundings]


def alone(chunk: Chunk) -> Surroundings:
    """The chunk itself, where nothing is known of the rest of its document."""
    return Surroundings(text=chunk.text, start=chunk.start, chunks=(chunk,))
