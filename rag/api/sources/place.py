"""The document that a link names, and where its quote stands now."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rag.api.sources.link import Link, document_name
from rag.cite import Place, Traced, trace
from rag.errors import NotFound
from rag.rooms import Rooms
from rag.store import CollectionInfo, Generation, Known, Listed
from rag.types import Anchor, Chunk, ChunkId

_BEST_FIRST = (Place.HERE, Place.MOVED, Place.RESPELLED, Place.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A span of a document as it is now."""

    collection: str
    listed: Listed
    known: Known
    text: str  # of the whole document
    chunk: Chunk  # the one that was asked for, else the one in which the span begins
    span: Traced
    anchor: Anchor  # where a reader finds the span

    @property
    def quote(self) -> str:
        """The text of the span."""
        return self.text[self.span.start : self.span.end]


def find_source(link: Link, infos: Iterable[CollectionInfo], document: str | None, rooms: Rooms) -> Source:
    """What a link names in one of these collections. Blocks.

    document: the name of the only one that may be read; None: all may.

    Raises:
        NotFound: it is gone, or was never there.
    """
    if document is not None and link.document != document:
        raise _gone(link)
    for info in infos:
        if link.collection in {None, info.id}:
            with suppress(NotFound), rooms.store.pin(info.id) as generation:  # deleted since it was listed
                found = list(_candidates(link, generation))
                if found:
                    return min(found, key=lambda source: _BEST_FIRST.index(source.span.place))
    raise _gone(link)


def _candidates(link: Link, generation: Generation) -> Iterator[Source]:
    """The span in each document that the link may mean: two folders may have the same path."""
    chunk = generation.chunk(ChunkId(link.chunk_id))
    if chunk and link.document not in {None, document_name(chunk.document)}:
        chunk = None
    for listed in _documents(link, chunk, generation):
        text = generation.text_of(listed)
        span = _span(link, chunk, text)
        there = generation.chunk_at(listed, span.start)
        if there:
            yield Source(
                collection=generation.info.name,
                listed=listed,
                known=generation.known_of(listed),
                text=text,
                chunk=chunk or there,
                span=span,
                anchor=_anchor(there, span.start, text),
            )


def _anchor(chunk: Chunk, start: int, text: str) -> Anchor:
    if chunk.anchor.line is None or start < chunk.start:
        return chunk.anchor
    return replace(chunk.anchor, line=chunk.anchor.line + text.count("\n", chunk.start, start))


def _documents(link: Link, chunk: Chunk | None, generation: Generation) -> Sequence[Listed]:
    if chunk:
        return [generation.file_of(chunk)]
    if link.span is None or link.document is None:
        return []
    return [listed for listed in generation.files().values() if document_name(listed.path) == link.document]


def _span(link: Link, chunk: Chunk | None, text: str) -> Traced:
    if link.span and link.quote:
        return trace(text, *link.span, link.quote)
    assert chunk  # noqa: S101 - a link without a quote finds nothing but chunks
    return Traced(start=chunk.start, end=chunk.end, place=Place.HERE)


def _gone(link: Link) -> NotFound:
    if link.document is None:
        message = (
            f"The source {link.chunk_id!r} does not exist. Its document may have changed since the answer was given."
        )
    else:
        message = (
            f"The document of the source {link.chunk_id!r} is gone: it was removed, renamed, or its collection was "
            "deleted since the answer was given. Ask again for what there is now."
        )
    return NotFound(message, param="chunk_id", code="source_not_found")
