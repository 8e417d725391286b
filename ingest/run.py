"""A plan carried out on a draft: read, chunk, embed, store."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest import chunk
from ingest.chunk import Chunker
from ingest.plan import Plan, read_file
from ingest.progress import Progress
from ingest.readers import Extracted
from ingest.scan import Found, Refused, reason_of
from ingest.worker.pool import Readers, Reading
from rag.store import Document, Draft, NewChunk

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not

SPECIAL_TOKENS = 2  # what an encoder puts around a text
_BATCH_CHUNKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A file that has been read and waits for its vectors."""

    root: str
    file: str
    documents: tuple[tuple[Document, tuple[NewChunk, ...]], ...]
    kept: frozenset[str]  # paths of documents in it that were known and could not be read now

    @property
    def n_chunks(self) -> int:
        return sum(len(chunks) for _, chunks in self.documents)


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
        for found, reading in self._readers.read_all((*todo.new, *todo.changed), self._load):
            if isinstance(reading, OSError):
                _fail(todo, found, [Refused(root=found.root, path=found.path, reason=reason_of(reading))])
            elif read := self._read(found, reading, todo):
                waiting.append(read)
            if sum(each.n_chunks for each in waiting) >= _BATCH_CHUNKS:
                self._store(waiting)
                waiting = []
            progress.advance()
        self._store(waiting)

    def _load(self, found: Found) -> tuple[str, bytes]:
        return found.path, read_file(found.file, self._max_file_bytes)

    def _read(self, found: Found, reading: Reading, todo: Plan) -> _Waiting | None:
        """The file's documents; None if it has none. What it is and holds that is no document is noted in `todo`."""
        failed = list(_refused(found, ((part.name, part.failed) for part in reading.parts)))
        skipped = list(_refused(found, ((part.name, part.skipped) for part in reading.parts)))
        texts = [(part.name, part.extracted) for part in reading.parts if part.extracted]
        if texts:
            todo.failed.extend(failed)
            todo.skipped.extend(skipped)
            # What failed inside is tried again next time: no recipe is like "".
            recipe = "" if failed else self._recipe
            return _Waiting(
                root=found.root,
                file=found.path,
                documents=tuple(self._document(found, reading, recipe, name, text) for name, text in texts),
                kept=frozenset(each.path for each in failed),
            )
        todo.skipped.extend(skipped)
        if failed:
            _fail(todo, found, failed)
            return None
        if found.path not in {each.path for each in skipped}:
            todo.skipped.append(Refused(root=found.root, path=found.path, reason="it holds no documents"))
        if _take_out(todo, found):
            self._draft.remove(found.root, found.path)
            todo.removed.append((found.root, found.path))
        return None

    def _document(
        self, found: Found, reading: Reading, recipe: str, name: str, extracted: Extracted
    ) -> tuple[Document, tuple[NewChunk, ...]]:
        spans = self._chunker.chunk(extracted)
        pairs = zip(spans, chunk.anchors(extracted, spans), strict=True)
        document = Document(
            root=found.root,
            path=_inside(found.path, name),
            inside=found.path if name else None,
            title=extracted.title,
            sha256=reading.sha256,
            size=reading.size,
            recipe=recipe,
            text=extracted.text,
        )
        return document, tuple(NewChunk(start=span.start, end=span.end, anchor=anchor) for span, anchor in pairs)

    def _store(self, waiting: Iterable[_Waiting]) -> None:
        """Nothing; the documents are in the draft. Text that had a vector keeps it."""
        with_old = [(each, dict(self._draft.vectors(each.root, each.file))) for each in waiting]
        missing = dict.fromkeys(
            text
            for each, old in with_old
            for document, chunks in each.documents
            for text in _texts(document, chunks)
            if text not in old
        )
        vectors = dict(zip(missing, self._embed(list(missing)), strict=True))
        for each, old in with_old:
            paths = {document.path for document, _ in each.documents}
            self._draft.remove(each.root, each.file, keep=paths | each.kept)
            for document, chunks in each.documents:
                rows = [old[text] if text in old else vectors[text] for text in _texts(document, chunks)]
                self._draft.put(document, chunks, np.stack(rows))

    def _embed(self, texts: list[str]) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
        self.n_embedded += len(texts)
        for first in range(0, len(texts), _BATCH_CHUNKS):
            yield from self._encoder.encode_documents(texts[first : first + _BATCH_CHUNKS])


def _texts(document: Document, chunks: Iterable[NewChunk]) -> list[str]:
    return [document.text[each.start : each.end] for each in chunks]


def _inside(path: str, name: str) -> str:
    return f"{path}/{name}" if name else path


def _refused(found: Found, reasons: Iterable[tuple[str, str | None]]) -> Iterator[Refused]:
    for name, reason in reasons:
        if reason:
            yield Refused(root=found.root, path=_inside(found.path, name), reason=reason)


def _fail(todo: Plan, found: Found, failed: Iterable[Refused]) -> None:
    """Nothing; noted. What was known of the file stays searchable: it may be half written just now."""
    todo.failed.extend(failed)
    _take_out(todo, found)


def _take_out(todo: Plan, found: Found) -> bool:
    """Whether the file was known; it is no longer counted as new or changed."""
    if found in todo.new:
        todo.new.remove(found)
        return False
    todo.changed.remove(found)
    return True
