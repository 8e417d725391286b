"""A plan carried out on a draft: read, chunk, embed, store."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest import chunk
from ingest.chunk import Chunker
from ingest.digests import attributes_beside, read_file
from ingest.plan import Plan
from ingest.progress import Progress
from ingest.readers import Readers, ReadFailure, Skip
from ingest.scan import Found, Refused, reason_of
from rag.store import Document, Draft, NewChunk

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not

SPECIAL_TOKENS = 2  # what an encoder puts around a text
_BATCH_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A document that has been read and waits for its vectors."""

    document: Document
    chunks: tuple[NewChunk, ...]

    @property
    def texts(self) -> list[str]:
        return [self.document.text[each.start : each.end] for each in self.chunks]


class Run:
    """Carries out a plan on a draft, and moves in the plan what turns out to be no document."""

    def __init__(
        self,
        draft: Draft,
        *,
        encoder: "Encoder",
        readers: Readers,
        chunker: Chunker,
        recipe: str,
        max_file_bytes: int,
    ) -> None:
        """Read with `readers`, cut with `chunker`, whose recipe this is, and embed with `encoder`."""
        self.n_embedded = 0
        self._draft = draft
        self._encoder = encoder
        self._readers = readers
        self._chunker = chunker
        self._recipe = recipe
        self._max_file_bytes = max_file_bytes

    def apply(self, todo: Plan, progress: Progress) -> None:
        """Nothing; the draft is as planned."""
        for root, path in todo.removed:
            self._draft.remove(root, path)
        for old, found in todo.moved:
            self._draft.move(found.root, old, found.path)
        progress.stage("ingest", len(todo.new) + len(todo.changed))
        waiting: list[_Waiting] = []
        for found in (*todo.new, *todo.changed):
            read = self._read(found, todo)
            if read is not None:
                waiting.append(read)
            if sum(len(each.chunks) for each in waiting) >= _BATCH_CHUNKS:
                self._store(waiting)
                waiting = []
            progress.advance()
        self._store(waiting)

    def _read(self, found: Found, todo: Plan) -> _Waiting | None:
        """The document; None if it is none, which is then noted in `todo`."""
        try:
            data = read_file(found.file, self._max_file_bytes)
            extracted = self._readers.read(found.path, data)
            beside, attributes = attributes_beside(found)
        except (ReadFailure, OSError) as error:
            # What was known of the file stays searchable: it may be half written just now.
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            todo.failed.append(Refused(root=found.root, path=found.path, reason=reason))
            _take_out(todo, found)
        except Skip as reason:
            todo.skipped.append(Refused(root=found.root, path=found.path, reason=str(reason)))
            if _take_out(todo, found):
                self._draft.remove(found.root, found.path)
                todo.removed.append((found.root, found.path))
        else:
            spans = self._chunker.chunk(extracted)
            places = chunk.anchors(extracted, spans)
            document = Document(
                root=found.root,
                path=found.path,
                title=str(attributes.get("title") or "") or extracted.title,
                sha256=hashlib.sha256(data).hexdigest(),
                size=len(data),
                recipe=self._recipe,
                text=extracted.text,
                attributes={**extracted.attributes, **attributes},
                beside=beside,
            )
            pairs = zip(spans, places, strict=True)
            return _Waiting(document, tuple(NewChunk(start=s.start, end=s.end, anchor=a) for s, a in pairs))
        return None

    def _store(self, waiting: Sequence[_Waiting]) -> None:
        """Nothing; the documents are in the draft. Text that had a vector, in whatever document, keeps it."""
        texts = dict.fromkeys(text for each in waiting for text in each.texts)
        vectors = self._draft.vectors(texts)
        missing = [text for text in texts if text not in vectors]
        vectors |= zip(missing, self._embed(missing), strict=True)
        for each in waiting:
            self._draft.put(each.document, each.chunks, np.stack([vectors[text] for text in each.texts]))

    def _embed(self, texts: Sequence[str]) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
        self.n_embedded += len(texts)
        for first in range(0, len(texts), _BATCH_CHUNKS):
            part = texts[first : first + _BATCH_CHUNKS]
            vectors = self._encoder.encode_documents(part)
            self._draft.keep(part, vectors)  # should this run be killed, the next one has them
            yield from vectors


def _take_out(todo: Plan, found: Found) -> bool:
    """Whether the file was known; it is no longer counted as new or changed."""
    if found in todo.new:
        todo.new.remove(found)
        return False
    todo.changed.remove(found)
    return True
